"""Altered copies of generated films, and films of other patients."""

import io
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pneumonia.preparation.cleaning.clean import clean
from pneumonia.preparation.cleaning.near_duplicates import ALIKE, find_copies, groups_of, measure_candidates
from pneumonia.preparation.splitting import assign_parts
from pneumonia.radiographs.read import resize

from ...small_classifier import thorax
from .test_clean import Raw, params
from .test_clean import raw as raw  # a fixture

PATIENTS, SIZE = 60, 96


def film(patient: int) -> np.ndarray:
    """A thorax with ribs and vessels of its own, uint8 (160, 160)."""
    rng = np.random.default_rng(patient)
    pixels = thorax(patient, 160).astype(float)
    y, x = np.indices(pixels.shape) / 160
    slope, phase, wide = rng.uniform(0.2, 0.5), rng.uniform(0, 6), rng.uniform(8, 11)
    pixels += 8 * np.cos(2 * np.pi * wide * (y + slope * np.abs(x - 0.5)) + phase)
    for _ in range(60):
        top, left, size = rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9), rng.uniform(0.01, 0.04)
        pixels += rng.uniform(-40, 40) * np.exp(-((y - top) ** 2 + (x - left) ** 2) / (2 * size**2))
    return pixels.clip(0, 255).astype(np.uint8)


def encoded(pixels: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=40)
    return np.asarray(Image.open(file))


def resized(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((90, 100)))


def cropped(pixels: np.ndarray) -> np.ndarray:
    return pixels[4:-9, 8:-3]


def exposed(pixels: np.ndarray) -> np.ndarray:
    return (255 * (pixels / 255.0) ** 1.5 * 0.9).astype(np.uint8)


ALTERED = [encoded, resized, cropped, exposed, lambda pixels: encoded(exposed(cropped(pixels)))]


@pytest.fixture(scope="module")
def films() -> np.ndarray:
    """The films of all patients, and after them a copy of each of the first thirty, six times five alterations."""
    originals = [film(patient) for patient in range(PATIENTS)]
    copies = [ALTERED[patient % 5](originals[patient]) for patient in range(30)]
    return np.stack([resize(pixels, SIZE) for pixels in [*originals, *copies]])


def test_copies_are_found_whatever_was_done_to_them_and_no_other_patient_is(films):
    pairs = find_copies(films)
    found = set(zip(pairs["first"], pairs["second"], strict=True))
    assert found == {(patient, PATIENTS + patient) for patient in range(30)}
    candidates, alike = measure_candidates(films)
    different = candidates[:, 0] % PATIENTS != candidates[:, 1] % PATIENTS
    print(
        f"{different.sum()} candidates of two patients, the most alike {alike[different].max():.2f}; "
        f"of {PATIENTS * 89 // 2:,} pairs; the copy that is least alike {pairs['alike'].min():.2f}"
    )
    assert different.sum() > 100  # which is what the threshold is for
    assert alike[different].max() < ALIKE


def test_what_pairs_connect_is_one_patient():
    pairs = pd.DataFrame({"first_patient": ["c", "b", "d", "e"], "second_patient": ["b", "a", "d", "gone"]})
    pairs.loc[4] = ["gone", "f"]  # one whose films were all rejected connects two all the same
    patients = pd.Series(["c", "b", "a", "d", "d", "e", "f"])
    assert groups_of(pairs, patients).tolist() == ["a", "a", "a", "d", "d", "e", "e"]


def test_grouped_copies_are_one_patient_in_the_index_and_lie_on_one_side_of_the_split(raw: Raw, tmp_path, make_params):
    for patient in range(20):
        raw.add(f"{patient:02}.png", film(patient), label="viral" if patient % 2 else "normal")
    for patient in (3, 8):
        raw.add(f"copy-of-{patient:02}.png", cropped(film(patient)), label="viral" if patient % 2 else "normal")
    directory = raw.write()
    outputs = {}
    for mode in ("off", "report", "group"):
        whole = params()
        settings = whole.clean.model_copy(update={"near_duplicates": mode, "image_size": SIZE})
        out = tmp_path / mode
        clean(whole.model_copy(update={"clean": settings}), directory, out, tmp_path / f"reports-{mode}")
        outputs[mode] = pd.read_csv(out / "index.csv", keep_default_na=False).set_index("file")
    assert pd.read_csv(tmp_path / "off" / "near_duplicates.csv").empty
    assert outputs["report"].equals(outputs["off"])
    pairs = pd.read_csv(tmp_path / "group" / "near_duplicates.csv")
    both = [{first, second} for first, second in zip(pairs["first_file"], pairs["second_file"], strict=True)]
    assert sorted(both, key=min) == [{"03.png", "copy-of-03.png"}, {"08.png", "copy-of-08.png"}]
    assert (tmp_path / "reports-group" / "clean" / "near_duplicates.png").stat().st_size > 5000
    grouped = outputs["group"]
    assert grouped.loc["copy-of-03.png", "patient"] == grouped.loc["03.png", "patient"]
    assert grouped["patient"].nunique() == 20
    table = grouped.reset_index().assign(**{"class": grouped["label"].replace("viral", "pneumonia").to_numpy()})
    for seed in range(5):
        part = assign_parts(table, make_params({"split.val_per_class": 2, "seed": seed})).set_axis(table["file"])
        assert part["copy-of-03.png"] == part["03.png"]
        assert part["copy-of-08.png"] == part["08.png"]


def test_identical_films_under_two_patients_make_them_one_where_copies_are_grouped(raw: Raw, tmp_path, caplog):
    for patient in range(6):
        raw.add(f"{patient}.png", film(patient), label="normal")
    raw.add("again-0.png", film(0), label="normal")  # of another patient, and so are all below
    raw.add("again-1.png", film(1), label="viral")  # with another label: both are rejected
    raw.add("again-2.png", (raw.directory / "2.png").read_bytes(), label="normal")
    for again, other in (("again-0.png", "x.png"), ("again-1.png", "y.png")):
        raw.add(other, film(10 + len(raw.films)), label="viral")
        raw.films[-1] = replace(raw.films[-1], patient=f"patient of {again}")
    raw.films[2], raw.films[8] = (replace(raw.films[row], patient="the same") for row in (2, 8))
    raw.add("z.png", film(30))
    raw.films[-1] = replace(raw.films[-1], patient="patient of 1.png")
    directory, whole = raw.write(), params()
    indexes = {}
    for mode in ("off", "report", "group"):
        settings = whole.clean.model_copy(update={"near_duplicates": mode, "image_size": SIZE})
        caplog.clear()
        changed = whole.model_copy(update={"clean": settings})
        clean(changed, directory, tmp_path / mode, tmp_path / f"reports-{mode}")
        indexes[mode] = pd.read_csv(tmp_path / mode / "index.csv").set_index("file")["patient"]
        assert ("2 identical films stand under two patients" in caplog.text) == (mode != "group")
    assert indexes["off"].equals(indexes["report"])
    assert indexes["off"]["x.png"] != indexes["off"]["0.png"]
    assert indexes["group"]["x.png"] == indexes["group"]["0.png"]
    assert indexes["group"]["y.png"] == indexes["group"]["z.png"]  # whose films 1 and again-1 are both gone
    assert indexes["group"].nunique() == indexes["off"].nunique() - 2
    pairs = pd.read_csv(tmp_path / "group" / "near_duplicates.csv", keep_default_na=False)
    told = pairs.loc[pairs["first"] == "", ["first_file", "second_file"]].values.tolist()
    assert sorted(map(sorted, told)) == [["0.png", "again-0.png"], ["1.png", "again-1.png"]]
    assert json.loads((tmp_path / "reports-group" / "clean.json").read_text())["near_duplicates"]["identical"] == 2
