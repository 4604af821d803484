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


def test_links_hidden_and_other_files_are_ignored_and_counted(tmp_path, compute, capsys):
    films = write_files(tmp_path / "films", "normal/1.png", "normal/notes.txt", "normal/._1.png", ".cache/normal/2.png")
    outside = write_files(tmp_path / "outside", "normal/secret.png")
    (films / "normal" / "link.png").symlink_to(outside / "normal" / "secret.png")
    (films / "pneumonia").symlink_to(outside / "normal")
    rows = index_of(films, tmp_path / "raw", compute)
    assert [row[0] for row in rows] == ["images/normal/1.png"]
    assert "warning: ignored 5 entries" in capsys.readouterr().err
    assert json.loads((tmp_path / "raw" / "source.json").read_text())["ignored"] == 5


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


def test_a_name_that_no_index_can_hold(tmp_path, compute):
    films = write_files(tmp_path / "films", "normal/1.png")
    latin_1 = os.fsencode(films) + b"/normal/M\xfcller.png"
    with open(latin_1, "wb"):
        pass
    assert "is not UTF-8" in message_of(films, tmp_path / "raw", compute)
