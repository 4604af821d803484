import hashlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pydicom
import pytest

from pneumonia.params.stages import Compute
from pneumonia.radiographs.read import read_radiograph
from pneumonia.sources.phantom import source as phantom
from pneumonia.sources.phantom.thorax import Pose, draw_anatomy, draw_chest
from pneumonia.sources.shared.raw import read_index

from .settings import settings

ONE_WORKER = Compute(scheduler="local", workers=1)


def made(directory, compute=ONE_WORKER, **changes) -> dict[str, str]:
    """Each file's SHA-256, by its name."""
    directory.mkdir()
    values = {"patients": 6, "image_size": 96, "format": "png", "seed": 0} | changes
    phantom.fetch(settings("phantom", **values), directory, compute)
    files = [file for file in directory.rglob("*") if file.is_file()]
    return {file.relative_to(directory).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def images(digests: dict[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in digests.items() if name.startswith("images/")}


@pytest.mark.parametrize("form", ["jpeg", "png", "dicom"])
def test_the_same_seed_gives_the_same_bytes_whatever_the_workers(tmp_path, form):
    one = made(tmp_path / "one", format=form)
    two = made(tmp_path / "two", Compute(scheduler="local", workers=2), format=form)
    assert one == two
    other = made(tmp_path / "other", format=form, seed=1)
    assert not set(images(one).values()) & set(images(other).values())


def test_more_patients_leave_the_first_as_they_are(tmp_path):
    few, more = images(made(tmp_path / "few")), images(made(tmp_path / "more", patients=9))
    assert few.items() < more.items()


def test_a_dicom_film_holds_the_same_picture_in_12_bits(tmp_path):
    made(tmp_path / "png", patients=12)
    made(tmp_path / "dicom", patients=12, format="dicom")
    seen = Counter()
    for png in (tmp_path / "png" / "images").iterdir():
        path = tmp_path / "dicom" / "images" / f"{png.stem}.dcm"
        film, shown = pydicom.dcmread(path), read_radiograph(png).pixels
        assert np.abs(read_radiograph(path).pixels.astype(int) - shown).max() <= 1
        assert film.PatientID == f"phantom-{png.stem.removeprefix('patient').split('_')[0]}"
        assert len(np.unique(film.pixel_array)) > 256
        assert film.pixel_array.max() < 2**12
        seen[film.PhotometricInterpretation] += 1
        seen[film.SOPInstanceUID] += 1
    assert {"MONOCHROME1", "MONOCHROME2"} < set(seen)
    assert all(times == 1 for key, times in seen.items() if key.startswith("1.2."))


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    directory = tmp_path_factory.mktemp("many") / "raw"
    made(directory, patients=200, image_size=64)
    return directory


def test_classes_are_as_unequal_as_the_real_ones_and_some_patients_have_several_films(many):
    films = read_index(many)
    share = films.drop_duplicates("patient")["label"].value_counts(normalize=True)
    assert share["bacterial"] == pytest.approx(0.46, abs=0.09)
    assert share["normal"] == pytest.approx(0.27, abs=0.08)
    assert 1.25 < len(films) / 200 < 1.6
    assert (films.groupby("patient")["label"].nunique() == 1).all()
    assert films["file"].str.fullmatch(r"images/patient\d{4}_[1-4]\.png").all()
    assert (films["official_split"] == "").all()
    boxes = pd.read_csv(many / "boxes.csv").merge(films, on="file")
    assert set(boxes["label"]) == {"bacterial", "viral"}
    assert set(boxes["file"]) == set(films["file"][films["label"] != "normal"])
    assert (boxes["label"] == "viral").sum() == 2 * (films["label"] == "viral").sum()  # one a lung


@pytest.mark.parametrize("label", ["bacterial", "viral"])
def test_the_boxes_hold_what_the_opacity_changes(label):
    for number in range(10):
        anatomy = draw_anatomy(np.random.default_rng(number))
        film, boxes = phantom.render(np.random.default_rng(number), anatomy, label, 128)
        without, none = phantom.render(np.random.default_rng(number), anatomy, "normal", 128)
        change = np.abs(film - without)
        inside = np.zeros(change.shape, bool)
        for x, y, width, height in boxes:
            assert 0 <= x < x + width <= 128
            assert 0 <= y < y + height <= 128
            inside[y : y + height, x : x + width] = True
        assert change.max() > 8 / 255  # it can be seen
        assert change[inside].sum() > 0.93 * change.sum()
        assert inside.mean() < 0.5
        assert none == []


def test_a_film_shares_no_random_numbers_with_its_patient():
    """Else what decides the label would decide the pose too, and so give the label away."""
    keys = [(0, 1), (0, 1, 0), (0, 1, 1), (0, 2), (0, 1, 2), (1, 1)]
    assert len({phantom._generator(*key).random() for key in keys}) == len(keys)


def test_pose_and_exposure_do_not_tell_the_label(many):
    """The belly looks alike in every class."""
    films = read_index(many)
    belly = [read_radiograph(many / file).pixels[-12:, 8:-8].mean() for file in films["file"]]
    ranks, sick = pd.Series(belly).rank(), films["label"] != "normal"
    auc = (ranks[sick].sum() - sick.sum() * (sick.sum() + 1) / 2) / (sick.sum() * (~sick).sum())
    assert auc == pytest.approx(0.5, abs=0.09)


def test_a_chest_is_anatomical():
    anatomy = replace(draw_anatomy(np.random.default_rng(0)), breasts=0.0, vessels=0.0, bone=0.0)
    chest = draw_chest(anatomy, Pose(rotation=0, scale=1, shift=(0, 0), turn=0, expiration=0), 200)

    def at(x: float, y: float) -> float:
        return float(chest.attenuation[round(100 * (y + 1)), round(100 * (x + 1))])

    assert at(-0.97, -0.97) == at(0.97, -0.97) == 0  # air over the shoulders
    assert at(0.45, -0.2) < 0.4 > at(-0.45, -0.2)  # lungs
    assert at(0.30, 0.25) > at(-0.30, 0.25) + 0.2  # most of the heart lies to the left
    right, left = (np.flatnonzero(chest.air[:, column] > 0.1).max() for column in (60, 140))
    assert right < left  # the right dome of the diaphragm stands higher


def test_other_hospitals_leave_the_films_of_home_as_they_are_and_share_none(tmp_path):
    home = images(made(tmp_path / "home"))
    several = images(made(tmp_path / "several", hospitals=["home", "away", "lettered"]))
    assert home.items() < several.items()
    assert len(set(several.values())) == len(several)
    films = read_index(tmp_path / "several")
    assert films.groupby("site")["patient"].nunique().to_dict() == {"away": 6, "home": 6, "lettered": 6}
    assert films["patient"].nunique() == 18
    assert "site" not in read_index(tmp_path / "home")


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory) -> pd.DataFrame:
    """200 patients of each hospital, with the `pixels` of each film."""
    directory = tmp_path_factory.mktemp("hospitals") / "raw"
    made(directory, patients=200, image_size=64, hospitals=["home", "away", "lettered"])
    films = read_index(directory)
    return films.assign(pixels=[read_radiograph(directory / file).pixels.astype(float) for file in films["file"]])


def auc(values: pd.Series, sick: pd.Series) -> float:
    return float((values.rank()[sick].sum() - sick.sum() * (sick.sum() + 1) / 2) / (sick.sum() * (~sick).sum()))


def test_only_in_the_lettered_hospital_does_the_letter_go_with_the_label(hospitals):
    letter = hospitals["pixels"].map(
        lambda film: film[4:11, 53:61].mean() - film[4:11, 4:11].mean()
    )  # the plate is black
    told = {site: auc(letter[films.index], films["label"] != "normal") for site, films in hospitals.groupby("site")}
    assert told["lettered"] > 0.9
    assert told["home"] == pytest.approx(0.5, abs=0.1)
    assert told["away"] == pytest.approx(0.5, abs=0.1)


def test_the_other_hospital_differs_in_exposure_collimation_and_prevalence(hospitals):
    of_site = {site: films for site, films in hospitals.groupby("site")}
    sick = {site: (films["label"] != "normal").mean() for site, films in of_site.items()}
    assert sick["away"] < 0.45 < 0.65 < sick["home"]
    middle = {site: films["pixels"].map(lambda film: film[16:48, 16:48].mean()) for site, films in of_site.items()}
    exposed = pd.concat([middle["home"], middle["away"]])
    assert auc(exposed, exposed.index.isin(middle["away"].index)) > 0.8
    black = {site: films["pixels"].map(lambda film: (film[:, :2] == 0).all()).mean() for site, films in of_site.items()}
    assert black["away"] > black["home"] + 0.3
