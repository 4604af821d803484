import hashlib
import importlib.util
import json
import shutil
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from pneumonia.errors import UserError
from pneumonia.preparation.cleaning.clean import clean
from pneumonia.sources.rsna import source as rsna
from pneumonia.sources.shared.raw import read_index

from .settings import settings

REAL_FILMS = Path(__file__).parents[2] / ".." / "shared" / "data" / "rsna"

BOXES = """patientId,x,y,width,height,Target
a,,,,,0
b,,,,,0
c,2.0,4.0,10.0,20.0,1
c,20.0,4.0,12.0,8.0,1
d,0.0,0.0,32.0,64.0,1
"""
CLASSES = """patientId,class
a,Normal
b,No Lung Opacity / Not Normal
c,Lung Opacity
c,Lung Opacity
d,Lung Opacity
"""
PATIENTS = """patientId,nih_patient
a,00000007
b,00000007
c,00000012
d,00000013
"""
SUBSET = "the films are not those published: films 4 of 26,684, films with boxes 2 of 6,012, boxes 3 of 9,555"


def write_film(path: Path, seed: int) -> None:
    """A film 32 pixels wide and 64 high, with the tags of the challenge's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film = FileDataset("", pydicom.Dataset(), file_meta=meta, preamble=b"\0" * 128)
    film.PatientID = film.PatientName = path.stem
    film.ViewPosition, film.PatientSex = "AP" if path.stem in "bcd" else "PA", "F"
    film.Rows, film.Columns, film.SamplesPerPixel, film.PhotometricInterpretation = 64, 32, 1, "MONOCHROME2"
    film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 8, 8, 7, 0
    film.PixelData = np.random.default_rng(seed).integers(0, 256, (64, 32), dtype=np.uint8).tobytes()
    film.save_as(path, enforce_file_format=True)


@pytest.fixture
def challenge(tmp_path: Path) -> Path:
    """The folder as Kaggle's zip unpacks, four films small."""
    folder = tmp_path / "challenge"
    for seed, name in enumerate("abcd"):
        write_film(folder / "stage_2_train_images" / f"{name}.dcm", seed)
    write_film(folder / "stage_2_test_images" / "t.dcm", 9)
    (folder / "stage_2_train_labels.csv").write_text(BOXES)
    (folder / "stage_2_detailed_class_info.csv").write_text(CLASSES)
    (folder / "nih_patients.csv").write_text(PATIENTS)
    (folder / "stage_2_sample_submission.csv").write_text("patientId,PredictionString\nt,0.5 0 0 100 100\n")
    return folder


def pack(folder: Path, archive: Path, prefix: str = "") -> Path:
    with ZipFile(archive, "w") as zip_file:
        for path in sorted(folder.rglob("*.*")):
            zip_file.write(path, prefix + path.relative_to(folder).as_posix())
    return archive


@pytest.fixture
def fetch(tmp_path: Path, compute):
    """The raw directory that a path gives."""

    def fetched(path: Path) -> Path:
        raw = tmp_path / "raw"
        shutil.rmtree(raw, ignore_errors=True)
        raw.mkdir()
        rsna.fetch(settings("rsna", path=str(path)), raw, compute)
        return raw

    return fetched


def warnings_of(raw: Path) -> list[str]:
    return json.loads((raw / "source.json").read_text())["warnings"]


def check_whole(raw: Path, challenge: Path) -> None:
    assert read_index(raw).to_numpy().tolist() == [
        ["images/a.dcm", "normal", "nih-00000007", ""],
        ["images/b.dcm", "not_normal", "nih-00000007", ""],
        ["images/c.dcm", "opacity", "nih-00000012", ""],
        ["images/d.dcm", "opacity", "nih-00000013", ""],
    ]
    assert pd.read_csv(raw / "boxes.csv").to_numpy().tolist() == [
        ["images/c.dcm", 2, 4, 10, 20],
        ["images/c.dcm", 20, 4, 12, 8],
        ["images/d.dcm", 0, 0, 32, 64],
    ]
    for name in "abcd":
        original = challenge / "stage_2_train_images" / f"{name}.dcm"
        assert (raw / "images" / f"{name}.dcm").read_bytes() == original.read_bytes()
    assert sorted(path.name for path in raw.iterdir()) == ["boxes.csv", "images", "index.csv", "source.json"]


def test_a_folder(challenge, fetch, capsys):
    raw = fetch(challenge)
    check_whole(raw, challenge)
    assert f"warning: {SUBSET}\n" in capsys.readouterr().err
    source = json.loads((raw / "source.json").read_text())
    assert (source["warnings"], source["unlabelled_test_films"]) == ([SUBSET], 1)


def test_a_folder_of_links_and_what_macos_adds(challenge, fetch, tmp_path):
    linked = tmp_path / "linked"
    (linked / "stage_2_train_images").mkdir(parents=True)
    for path in [*challenge.glob("stage_2_train_images/*"), *challenge.glob("*.csv")]:  # as in DVC's cache
        (linked / path.relative_to(challenge)).symlink_to(path)
    (linked / "stage_2_test_images").symlink_to(challenge / "stage_2_test_images")
    for name in ("stage_2_train_images/._a.dcm", "._stage_2_train_labels.csv"):
        (linked / name).write_bytes(b"\0\5\26\7")
    raw = fetch(linked)
    check_whole(raw, challenge)
    hidden = "left out 2 hidden files and folders, or the system's (the first is ._stage_2_train_labels.csv)"
    assert warnings_of(raw) == [SUBSET, hidden]
    archive = pack(linked, tmp_path / "rsna.zip")
    check_whole(fetch(archive), challenge)


@pytest.mark.parametrize("prefix", ["", "rsna/stage 2/"])
def test_a_zip_flat_or_nested(challenge, fetch, tmp_path, prefix):
    archive = pack(challenge, tmp_path / "rsna.zip", prefix)
    raw = fetch(archive)
    check_whole(raw, challenge)
    source = json.loads((raw / "source.json").read_text())
    assert (source["bytes"], source["unlabelled_test_films"]) == (archive.stat().st_size, 1)
    assert source["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()


def test_the_patients_may_lie_beside_kaggles_zip(challenge, fetch, tmp_path):
    (challenge / "nih_patients.csv").rename(tmp_path / "nih_patients.csv")
    check_whole(fetch(pack(challenge, tmp_path / "rsna.zip")), challenge)


def test_without_patients_each_film_is_its_own(challenge, fetch, capsys):
    (challenge / "nih_patients.csv").unlink()
    raw = fetch(challenge)
    assert read_index(raw)["patient"].tolist() == ["a", "b", "c", "d"]
    told = "there is no nih_patients.csv: grouping is by file there, and films of one patient may be on both sides"
    assert told in capsys.readouterr().err
    assert any(told in warning for warning in warnings_of(raw))


def test_a_film_that_the_patients_lack_is_its_own(challenge, fetch):
    (challenge / "nih_patients.csv").write_text(PATIENTS.replace("c,00000012\n", ""))
    raw = fetch(challenge)
    assert read_index(raw)["patient"].tolist() == ["nih-00000007", "nih-00000007", "c", "nih-00000013"]
    assert any("nih_patients.csv lacks 1 of 4 films: grouping is by file" in warning for warning in warnings_of(raw))


def test_films_without_labels_and_labels_without_films_are_left_out_and_counted(challenge, fetch):
    (challenge / "stage_2_train_images" / "d.dcm").unlink()
    write_film(challenge / "stage_2_train_images" / "e.dcm", 5)
    write_film(challenge / "stage_2_train_images" / "f.dcm", 6)
    (challenge / "stage_2_train_labels.csv").write_text(BOXES + "f,,,,,0\n")  # f is in one table only
    raw = fetch(challenge)
    assert read_index(raw)["file"].tolist() == ["images/a.dcm", "images/b.dcm", "images/c.dcm"]
    assert set(pd.read_csv(raw / "boxes.csv")["file"]) == {"images/c.dcm"}
    assert warnings_of(raw)[1:] == [
        "left out 2 films (the first is e): not in both stage_2_train_labels.csv and stage_2_detailed_class_info.csv",
        "left out 1 labels without a film (the first is d)",
    ]


def test_boxes_are_cut_to_their_film_which_may_have_any_size(challenge, fetch):
    beyond = BOXES.replace("20.0,4.0,12.0,8.0", "-3.5,-1.0,50.0,8.0").replace("0.0,0.0,32.0,64.0", "1.5,60.0,8.25,4.5")
    (challenge / "stage_2_train_labels.csv").write_text(beyond)
    raw = fetch(challenge)
    assert pd.read_csv(raw / "boxes.csv").iloc[:, 1:].to_numpy().tolist() == [
        [2, 4, 10, 20],
        [0, 0, 32, 7],
        [1.5, 60, 8.25, 4],
    ]
    assert warnings_of(raw)[1:] == ["cut 2 boxes that reached out of their film (the first is of images/c.dcm)"]


def test_a_broken_film_is_left_to_clean(challenge, fetch):
    (challenge / "stage_2_train_images" / "d.dcm").write_bytes(b"no film")
    raw = fetch(challenge)
    assert (raw / "images" / "d.dcm").read_bytes() == b"no film"
    assert pd.read_csv(raw / "boxes.csv")["file"].tolist() == ["images/c.dcm", "images/c.dcm", "images/d.dcm"]


def test_only_films_without_boxes(challenge, fetch):
    for name in "cd":
        (challenge / "stage_2_train_images" / f"{name}.dcm").unlink()
    raw = fetch(challenge)
    assert read_index(raw)["label"].tolist() == ["normal", "not_normal"]
    assert pd.read_csv(raw / "boxes.csv").to_numpy().tolist() == []


LABELS_FILE, CLASS_FILE, PATIENT_FILE = (
    "stage_2_train_labels.csv",
    "stage_2_detailed_class_info.csv",
    "nih_patients.csv",
)


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        (LABELS_FILE, BOXES.replace("Target", "target"), "has no column 'Target'; it has patientId, x, y, width"),
        (LABELS_FILE, "", "cannot be read as a table"),
        (LABELS_FILE, BOXES + 'g,"', "cannot be read as a table"),
        (
            LABELS_FILE,
            BOXES.replace("a,,,,,0", "a,,,,,2"),
            "Target must be 0 or 1, in 1 rows (the first is patientId a",
        ),
        (
            LABELS_FILE,
            BOXES.replace("2.0,4.0", "left,4.0"),
            "a box must be numbers, in 1 rows (the first is patientId c",
        ),
        (LABELS_FILE, BOXES.replace("0.0,0.0,32.0,64.0", ",,,"), "Target 1 without a whole box, in 1 rows"),
        (LABELS_FILE, BOXES.replace("0.0,0.0,32.0,64.0", "0.0,0.0,32.0,"), "Target 1 without a whole box, in 1 rows"),
        (LABELS_FILE, BOXES.replace("b,,,,,0", "b,1,1,2,2,0"), "Target 0 with a box, in 1 rows"),
        (LABELS_FILE, BOXES.replace("b,,,,,0", "b,1,1,2,2,1"), f"Target disagrees with {CLASS_FILE}, in 1 rows"),
        (LABELS_FILE, BOXES.replace("10.0,20.0", "0.0,20.0"), "1 boxes have no area inside of their film"),
        (LABELS_FILE, BOXES.replace("10.0,20.0", "10.0,-20.0"), "1 boxes have no area inside of their film"),
        (LABELS_FILE, BOXES.replace("2.0,4.0,", "32.0,4.0,"), "(the first is file images/c.dcm, x 32.0, y 4.0"),
        (
            CLASS_FILE,
            CLASSES.replace("Normal", "Healthy"),
            "class 'Healthy' of a is unknown; it may be 'Normal', 'No L",
        ),
        (CLASS_FILE, CLASSES.replace("a,Normal", "a,"), "class nan of a is unknown"),
        (CLASS_FILE, CLASSES + "b,Normal", "b has more than one class: 'No Lung Opacity / Not Normal' and 'Normal'"),
        (CLASS_FILE, CLASSES.replace("d,Lung Opacity", "d,Normal"), f"Target disagrees with {CLASS_FILE}, in 1 rows"),
        (CLASS_FILE, "\udcff is no UTF-8", "cannot be read as a table"),
        (CLASS_FILE, "patientId,label\n", "has no column 'class'; it has patientId, label"),
        (PATIENT_FILE, PATIENTS + "a,00000008", "a has more than one nih_patient: '00000007' and '00000008'"),
    ],
)
def test_tables_that_contradict_themselves(challenge, fetch, file, content, told):
    (challenge / file).write_text(content, errors="surrogateescape")
    with pytest.raises(UserError) as caught:
        fetch(challenge)
    message = str(caught.value)
    assert told in message and message.startswith((LABELS_FILE, CLASS_FILE, PATIENT_FILE)) and "\n" not in message


def test_paths_that_hold_no_challenge(challenge, fetch, tmp_path):
    def message_of(path: Path) -> str:
        with pytest.raises(UserError) as caught:
            fetch(path)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "no such file or folder; datasets.rsna.path may name a folder, a zip" in message_of(tmp_path / "none")
    (tmp_path / "page.zip").write_text("<html>")
    assert "is not a zip archive" in message_of(tmp_path / "page.zip")
    films_only = message_of(challenge / "stage_2_train_images")
    assert "holds no stage_2_train_labels.csv and no stage_2_detailed_class_info.csv and no" in films_only
    shutil.copytree(challenge, tmp_path / "two" / "copy")
    shutil.copytree(challenge, tmp_path / "two" / "other")
    assert "more than once, in copy and other; name one of these" in message_of(tmp_path / "two")
    (challenge / CLASS_FILE).rename(tmp_path / CLASS_FILE)
    assert f"holds no {CLASS_FILE}; it should hold stage_2_train_images/*.dcm" in message_of(challenge)
    (challenge / CLASS_FILE).write_text("patientId,class\nelsewhere,Normal\n")
    assert "none of its 4 films is in both" in message_of(challenge)


@pytest.mark.skipif(importlib.util.find_spec("kagglehub") is not None, reason="kagglehub is installed")
def test_the_download_without_its_package_names_the_command(tmp_path, compute):
    with pytest.raises(UserError, match=r"pip install kagglehub.*datasets\.rsna\.path"):
        rsna.fetch(settings("rsna", path=None), tmp_path, compute)


@pytest.mark.skipif(not REAL_FILMS.is_dir(), reason="no films of the challenge beside the repository")
def test_the_real_films(fetch):
    raw = fetch(REAL_FILMS)
    films = read_index(raw)
    assert films["label"].value_counts().to_dict() == {"not_normal": 206, "normal": 174, "opacity": 164}
    assert films["patient"].nunique() == 495 and films["patient"].str.fullmatch(r"nih-\d{8}").all()
    boxes = pd.read_csv(raw / "boxes.csv")
    assert len(boxes) == 270 and set(boxes["file"]) == set(films.loc[films["label"] == "opacity", "file"])
    subset = "films 544 of 26,684, films with boxes 164 of 6,012, boxes 270 of 9,555"
    assert warnings_of(raw) == [f"the films are not those published: {subset}"]


def test_clean_scales_the_boxes_and_reports_on_them_and_on_the_views(challenge, fetch, tmp_path, make_params):
    raw = fetch(challenge)
    clean(make_params({"dataset": "rsna", "clean.image_size": 32}), raw, tmp_path / "clean", tmp_path / "reports")
    assert pd.read_csv(tmp_path / "clean" / "boxes.csv").to_numpy().tolist() == [
        ["images/c.dcm", 2, 2, 10, 10],
        ["images/c.dcm", 20, 2, 12, 4],
        ["images/d.dcm", 0, 0, 32, 32],
    ]
    report = json.loads((tmp_path / "reports" / "clean.json").read_text())
    assert report["boxes"]["films_by_boxes"] == {"1": 1, "2": 1}
    opacity = {view: of_view["share"]["opacity"] for view, of_view in report["population"]["view"].items()}
    assert opacity == {"AP": 0.6667, "PA": 0}
    pictures = {path.stem for path in (tmp_path / "reports" / "clean").iterdir()}
    assert pictures == {"samples", "histograms", "population", "boxes", "box_samples"}
