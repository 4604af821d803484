import json
import os
from pathlib import Path

import numpy as np
import pytest

from pneumonia.errors import UserError
from pneumonia.radiographs.deidentification import pseudonym
from pneumonia.sources.folder import source as folder
from pneumonia.sources.shared.raw import read_index

from ..dicom_files import dicom
from .settings import settings


def write_files(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())  # no image: a corrupt film is `clean`'s to reject
    return root


def index_of(films: Path, raw: Path, compute) -> list[list[str]]:
    raw.mkdir()
    folder.fetch(settings("folder", path=str(films)), raw, compute)
    rows: list[list[str]] = read_index(raw).to_numpy().tolist()
    for file, *_ in rows:
        assert (raw / file).read_bytes().decode() == file.removeprefix("images/")
    return rows


def message_of(path: Path | None, raw: Path, compute) -> str:
    with pytest.raises(UserError) as caught:
        folder.fetch(settings("folder", path=None if path is None else str(path)), raw, compute)
    assert "\n" not in str(caught.value) and not raw.exists()
    return str(caught.value)


def test_class_folders(tmp_path, compute, capsys):
    films = write_files(tmp_path / "films", "Normal/1.PNG", "bacteria/2.dcm", "VIRUS/3.jpg", "pneumonia/4.jpeg")
    assert index_of(films, tmp_path / "raw", compute) == [
        ["images/Normal/1.PNG", "normal", "Normal/1.PNG", ""],
        ["images/VIRUS/3.jpg", "viral", "VIRUS/3.jpg", ""],
        ["images/bacteria/2.dcm", "bacterial", "bacteria/2.dcm", ""],
        ["images/pneumonia/4.jpeg", "pneumonia", "pneumonia/4.jpeg", ""],
    ]
    assert "warning: 4 of 4 films name no patient" in capsys.readouterr().err


def test_split_folders(tmp_path, compute):
    films = write_files(tmp_path / "films", "Train/normal/1.png", "valid/viral/1.png", "TEST/bacterial/1.png")
    assert [(row[1], row[3]) for row in index_of(films, tmp_path / "raw", compute)] == [
        ("bacterial", "test"),
        ("normal", "train"),
        ("viral", "train"),
    ]


def test_patient_folders(tmp_path, compute, capsys):
    films = write_files(
        tmp_path / "films", "train/normal/anna/1.png", "train/normal/anna/2019/2.png", "test/viral/anna/3.png",
        "test/normal/ben/4.png",
    )  # fmt: skip
    assert [row[2] for row in index_of(films, tmp_path / "raw", compute)] == ["ben", "anna", "anna", "anna"]
    warnings = capsys.readouterr().err
    assert "patients with films in both train and test: 1 (the first is 'anna')" in warnings
    assert "name no patient" not in warnings


def test_dicom_films_in_no_patient_folder_are_of_the_patient_that_they_name(tmp_path, compute, capsys, monkeypatch):
    monkeypatch.setenv("PNEUMONIA_SALT", "salt")
    films = tmp_path / "films"
    numbers = {
        "normal/1.dcm": "1",
        "normal/2.DCM": "2",
        "pneumonia/1.dcm": "1",
        "pneumonia/ben/2.dcm": "1",
    }
    for name, number in numbers.items():
        (films / name).parent.mkdir(parents=True, exist_ok=True)
        (films / name).write_bytes(dicom(np.eye(40, dtype=np.uint8), PatientID=number))
    write_files(films, "normal/broken.dcm")
    (tmp_path / "raw").mkdir()
    folder.fetch(settings("folder", path=str(films)), tmp_path / "raw", compute)
    patients = read_index(tmp_path / "raw").set_index("file")["patient"].to_dict()
    assert patients == {
        "images/normal/1.dcm": pseudonym("1"),
        "images/normal/2.DCM": pseudonym("2"),
        "images/normal/broken.dcm": "normal/broken.dcm",
        "images/pneumonia/1.dcm": pseudonym("1"),
        "images/pneumonia/ben/2.dcm": "ben",
    }
    assert "warning: 1 of 5 films name no patient" in capsys.readouterr().err


def test_a_patient_of_very_many_films_is_told_to_be_suspect(tmp_path, compute, capsys):
    write_files(tmp_path / "few", *(f"normal/anna/{number}.png" for number in range(20)))
    index_of(tmp_path / "few", tmp_path / "raw", compute)
    assert "placeholder" not in capsys.readouterr().err
    write_files(tmp_path / "many", *(f"normal/anna/{number}.png" for number in range(21)))
    index_of(tmp_path / "many", tmp_path / "raw2", compute)
    assert "warning: 21 of 21 films are of patient 'anna': is its number a placeholder?" in capsys.readouterr().err


def test_hidden_and_other_files_and_links_that_lead_nowhere_are_told(tmp_path, compute, capsys):
    films = write_files(tmp_path / "films", "normal/1.png", "normal/notes.txt", "normal/._1.png", ".cache/normal/2.png")
    (films / "normal" / "gone.png").symlink_to(tmp_path / "gone")
    (films / "pneumonia").symlink_to(tmp_path / "gone")
    rows = index_of(films, tmp_path / "raw", compute)
    assert [row[0] for row in rows] == ["images/normal/1.png"]
    told = capsys.readouterr().err
    source = json.loads((tmp_path / "raw" / "source.json").read_text())
    for warning in (
        "left out 2 hidden files and folders, or the system's (the first is .cache)",
        "left out 1 files that are no .dcm, .dicom, .jpeg, .jpg, .png (the first is normal/notes.txt)",
        "left out 1 links that lead nowhere (the first is pneumonia)",
        "left out 1 films that are links and lead nowhere (the first is normal/gone.png)",
    ):
        assert f"warning: {warning}\n" in told and warning in source["warnings"]
    assert source["ignored"] == 4


def test_links_are_followed_and_their_copies_are_files(tmp_path, compute):
    stored = write_files(tmp_path / "stored", "0a", "more/2.png")
    (tmp_path / "films" / "normal").mkdir(parents=True)
    (tmp_path / "films" / "normal" / "1.png").symlink_to(stored / "0a")
    (tmp_path / "films" / "viral").symlink_to(stored / "more")
    (tmp_path / "raw").mkdir()
    folder.fetch(settings("folder", path=str(tmp_path / "films")), tmp_path / "raw", compute)
    copies = {file: tmp_path / "raw" / file for file in read_index(tmp_path / "raw")["file"]}
    assert not any(copy.is_symlink() for copy in copies.values())
    assert {file: copy.read_text() for file, copy in copies.items()} == {
        "images/normal/1.png": "0a",
        "images/viral/2.png": "more/2.png",
    }


def test_a_folder_images_is_no_patient_and_masks_beside_it_are_no_films(tmp_path, compute, capsys):
    films = write_files(
        tmp_path / "films", "normal/images/1.png", "normal/images/2.png", "normal/masks/1.png", "normal/masks/2.png",
        "viral/Images/anna/3.png", "viral/lung masks/anna/3.png",
    )  # fmt: skip
    rows = index_of(films, tmp_path / "raw", compute)
    assert {row[0]: row[2] for row in rows} == {
        "images/normal/images/1.png": "normal/images/1.png",
        "images/normal/images/2.png": "normal/images/2.png",
        "images/viral/Images/anna/3.png": "anna",
    }
    assert "warning: left out 3 masks (the first is normal/masks/1.png)" in capsys.readouterr().err


def test_the_path_must_name_a_folder_of_films(tmp_path, compute):
    raw = tmp_path / "raw"
    assert "datasets.folder.path is null" in message_of(None, raw, compute)
    assert "no such folder" in message_of(tmp_path / "none", raw, compute)
    (tmp_path / "film.png").write_bytes(b"film")
    assert "is not a folder" in message_of(tmp_path / "film.png", raw, compute)
    (tmp_path / "empty").mkdir()
    assert "holds no films" in message_of(tmp_path / "empty", raw, compute)


def test_other_layouts_say_what_they_may_be(tmp_path, compute):
    raw = tmp_path / "raw"
    unknown = message_of(write_files(tmp_path / "a", "covid/1.png"), raw, compute)
    assert "'covid'" in unknown and "normal, pneumonia, bacterial, bacteria, viral, virus" in unknown
    assert "lies in no class folder" in message_of(write_files(tmp_path / "b", "1.png"), raw, compute)
    assert "lies in no class folder" in message_of(write_files(tmp_path / "c", "test/1.png"), raw, compute)
    mixed = write_files(tmp_path / "d", "normal/1.png", "test/normal/1.png")
    assert "inside and outside" in message_of(mixed, raw, compute)


def test_whatever_a_film_is_called_its_copy_has_a_name_of_its_own_that_can_be_printed(tmp_path, compute):
    longest = "胸" * 83 + ".jpg"  # 253 bytes
    copies = {
        b"\xe9.png": "\\xe9~2.png",
        b"\\xe9.png": "\\xe9.png",  # the very name that the one before would get
        b"two\nlines.png": "two\\nlines.png",
        b"\x1b[31mred.png": "\\x1b[31mred.png",
        "\u202egnp.png".encode(): "\\u202egnp.png",
        b"\xed\xa0\x80.png": "\\xed\\xa0\\x80.png",  # a surrogate, as UTF-8 has none
        b"=1+1.jpeg": "=1+1.jpeg",
        b"blank.png ": "blank.png ",
        b"\"quoted\", 'too'.png": "\"quoted\", 'too'.png",
        longest.encode(): longest,
    }
    patient, literal = b"M\xfcller", b"M\\xfcller"
    names = [*copies, patient + b"/1.png", literal + b"/1.png"]
    films = tmp_path / "films" / "normal"
    films.mkdir(parents=True)
    for name in names:
        path = os.path.join(os.fsencode(films), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(name)
    (tmp_path / "raw").mkdir()
    folder.fetch(settings("folder", path=str(films.parent)), tmp_path / "raw", compute)
    rows = read_index(tmp_path / "raw")
    held = {(tmp_path / "raw" / row.file).read_bytes(): row for row in rows.itertuples()}
    assert set(held) == set(names)
    assert {name: row.file.removeprefix("images/normal/") for name, row in held.items() if name in copies} == copies
    assert (held[patient + b"/1.png"].patient, held[literal + b"/1.png"].patient) == ("M\\xfcller~2", "M\\xfcller")


def test_a_name_that_is_too_long_once_it_can_be_printed_is_cut(tmp_path, compute):
    films = tmp_path / "films" / "normal"
    films.mkdir(parents=True)
    for last in (b"\xe8", b"\xe9"):
        with open(os.fsencode(films) + b"/" + b"\xff" * 250 + last + b".png", "wb") as file:
            file.write(last)
    (tmp_path / "raw").mkdir()
    folder.fetch(settings("folder", path=str(films.parent)), tmp_path / "raw", compute)
    files = read_index(tmp_path / "raw")["file"]
    assert {(tmp_path / "raw" / file).read_bytes() for file in files} == {b"\xe8", b"\xe9"}
    assert files.str.endswith(".png").all()
