import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pneumonia.params import Compute, Phantom
from pneumonia.radiograph import read_radiograph
from pneumonia.sources import phantom, thorax
from pneumonia.sources.raw import read_index

ONE_WORKER = Compute(scheduler="local", workers=1)


def settings(**changes) -> Phantom:
    return Phantom(**({"patients": 6, "image_size": 96, "format": "png", "seed": 0} | changes))


def made(directory, compute=ONE_WORKER, **changes) -> dict[str, str]:
    """Each file's SHA-256, by its name."""
    directory.mkdir()
    phantom.fetch(settings(**changes), directory, compute)
    files = [file for file in directory.rglob("*") if file.is_file()]
    return {str(file.relative_to(directory)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.parametrize("form", ["jpeg", "png", "dicom"])
def test_the_same_seed_gives_the_same_bytes_whatever_the_workers(tmp_path, form):
    one = made(tmp_path / "one", format=form)
    two = made(tmp_path / "two", Compute(scheduler="local", workers=2), format=form)
    assert one == two
    other = made(tmp_path / "other", format=form, seed=1)
    assert not set(one.values()) & {value for name, value in other.items() if name.startswith("images")}


def test_more_patients_leave_the_first_as_they_are(tmp_path):
    few, more = made(tmp_path / "few"), made(tmp_path / "more", patients=9)
    images = {name: digest for name, digest in few.items() if name.startswith("images/")}
    assert images.items() <= more.items()
    assert len(more) > len(few)


def test_a_dicom_film_shows_what_the_png_shows(tmp_path):
    made(tmp_path / "png")
    made(tmp_path / "dicom", format="dicom")
    for png in (tmp_path / "png" / "images").iterdir():
        dicom = read_radiograph(tmp_path / "dicom" / "images" / f"{png.stem}.dcm").pixels
        assert np.abs(dicom.astype(int) - read_radiograph(png).pixels).max() <= 1


def test_classes_are_as_unequal_as_the_real_ones_and_some_patients_have_several_films(tmp_path):
    made(tmp_path / "raw", patients=400, image_size=64)
    films = read_index(tmp_path / "raw")
    share = films.drop_duplicates("patient")["label"].value_counts(normalize=True)
    assert share["bacterial"] == pytest.approx(0.46, abs=0.08)
    assert share["normal"] == pytest.approx(0.27, abs=0.08)
    assert 1.25 < len(films) / 400 < 1.6
    assert (films.groupby("patient")["label"].nunique() == 1).all()
    assert not films["file"].str.contains("normal|bacter|vir").any()
    boxes = pd.read_csv(tmp_path / "raw" / "boxes.csv")
    labels = boxes.merge(films, on="file")["label"]
    assert set(labels) == {"bacterial", "viral"}
    assert (labels == "viral").sum() == 2 * (films["label"] == "viral").sum()  # one a lung


@pytest.mark.parametrize("label", ["bacterial", "viral"])
def test_the_boxes_hold_what_the_opacity_changes(label):
    for number in range(8):
        rng = np.random.default_rng(number)
        anatomy, exposure = thorax.draw_anatomy(rng), thorax.draw_exposure(rng)
        film = thorax.render(anatomy, exposure, thorax.draw_opacities(rng, label), 128)
        without = thorax.render(anatomy, exposure, [], 128)
        change = np.abs(film.pixels.astype(int) - without.pixels)
        inside = np.zeros((128, 128), bool)
        for x, y, width, height in film.boxes:
            inside[y : y + height, x : x + width] = True
        assert change.max() > 8  # it can be seen
        assert change[inside].sum() > 0.9 * change.sum()
        assert without.boxes == []


def test_a_lung_is_darker_than_the_heart_and_the_heart_lies_to_the_left():
    rng = np.random.default_rng(0)
    anatomy = thorax.draw_anatomy(rng)
    still = replace(thorax.draw_exposure(rng), rotation=0, shift_x=0, shift_y=0, turn=0, scale=1)
    film = thorax.render(anatomy, still, [], 128).pixels.astype(float)
    lungs = film[40:64, 24:40].mean(), film[40:64, 88:104].mean()
    heart = film[76:84, 62:76].mean()
    assert heart > max(lungs) + 25
    beside_the_spine = slice(74, 88)
    assert film[76:88, beside_the_spine].mean() > film[76:88, ::-1][:, beside_the_spine].mean() + 10
