"""What names a person is planted into films and then looked for in all that a run of the real pipeline leaves."""

import io
import stat
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest

from pneumonia.radiographs.deidentification import SALT_FILE, patient_hash, pseudonym
from pneumonia.radiographs.read import read_elements, read_radiograph

from ..conftest import write_params
from ..dicom_files import dicom, saved
from ..small_repository import SMALL, Repository

PLANTED = {
    "PatientName": "Zaphodson^Quentin",
    "OtherPatientNames": "Beeblebroxen^Q",
    "OtherPatientIDs": "OTHER-774411",
    "PatientBirthDate": "19130713",
    "PatientAddress": "Vogonstrasse 42",
    "InstitutionName": "Klinik Magrathea",
    "ReferringPhysicianName": "Slartibart^Fast",
    "PatientComments": "Neighbour of Trillian",
}
PATIENT_ID = "MRN-5550{:02}"
PRIVATE, INVALID = "PRIVATE-PREFECT", "LASTNAME-INVALID"


def identified_film(number: int, patient: int, invalid: Sequence[str] = ()) -> bytes:
    """A film of 64 x 64 pixels, brighter below in every second one, full of what names its patient."""
    pixels = np.random.default_rng(number).integers(0, 200, (64, 64), dtype=np.uint8)
    pixels[32:] += np.uint8(50 * (number % 2))
    film = pydicom.dcmread(io.BytesIO(dicom(pixels, ViewPosition="AP", PatientSex="F", PatientAge="091Y", **PLANTED)))
    film.PatientID = PATIENT_ID.format(patient)
    film.private_block(0x0011, "VENDOR", create=True).add_new(0x01, "LO", PRIVATE)
    for name in invalid:
        film[name] = pydicom.DataElement(name, "CS", INVALID)  # a type that takes any text, unlike the element's own
    return saved(film)


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """60 films of 30 patients in two classes, some with a name where a number or a date should be."""
    folder = tmp_path_factory.mktemp("films")
    for label, parity in (("normal", 0), ("pneumonia", 1)):
        (folder / label).mkdir()
        for number in range(parity, 60, 2):
            (folder / label / f"{number}.dcm").write_bytes(identified_film(number, number // 4 * 2 + parity))
    wrong = {
        "age": ["PatientAge"],
        "charset": ["SpecificCharacterSet"],  # pydicom warns and quotes it
        "frames": ["NumberOfFrames"],
        "mode": ["PhotometricInterpretation"],
        "sex": ["PatientSex"],
        "spacing": ["PixelSpacing"],
        "view": ["ViewPosition"],
        "window": ["WindowCenter", "WindowWidth"],
    }
    for number, (name, elements) in enumerate(wrong.items()):
        (folder / "normal" / f"wrong_{name}.dcm").write_bytes(identified_film(100 + 2 * number, 90 + number, elements))
    return folder


@pytest.mark.slow
def test_no_output_of_a_run_names_anybody(films, tmp_path):
    repository = Repository(tmp_path / "project")
    changes = {
        "dataset": "folder",
        "datasets.folder.path": str(films),
        "clean.max_rejected": 0.2,
        "split.val_per_class": 4,
    }
    write_params(repository.root / "params.yaml", SMALL | changes | {"split.val_per_class": 4, "evaluate.draws": 200})
    log = repository.run("dvc", "repro")

    rejected = pd.read_csv(repository.root / "data" / "clean" / "rejected.csv")["file"].tolist()
    assert rejected == ["images/normal/wrong_mode.dcm"]
    index = pd.read_csv(repository.root / "data" / "clean" / "index.csv", keep_default_na=False)
    assert index["patient"].str.fullmatch("[0-9a-f]{16}").all()
    regular = index[~index["file"].str.contains("wrong")]
    assert regular.groupby("patient").size().tolist() == [2] * 30
    assert set(regular["age"]) == {"90.0"} and set(regular["sex"]) == {"F"} and set(regular["view"]) == {"AP"}

    words = [*PLANTED.values(), PRIVATE, INVALID, "MRN-5550"]
    needles = [form for word in words for form in (word.encode(), word.encode("utf-16-le"), word.encode("utf-16-be"))]
    originals = {path.read_bytes() for path in films.rglob("*.dcm")}
    outputs = [path for path in repository.root.rglob("*") if path.is_file() and not path.is_symlink()]
    contents = {path: path.read_bytes() for path in outputs}
    named = [
        (path, needle)
        for path, content in {**contents, "log": log.encode()}.items()
        if content not in originals
        for needle in needles
        if needle in content
    ]
    assert named == []
    assert {"mlflow.db", "metrics.json", "report.html", "predictions.csv"} <= {path.name for path in outputs}


def test_a_film_is_read_in_silence(capfd):
    """pydicom warns of what it cannot read, and quotes it."""
    film = identified_film(0, 0, ["SpecificCharacterSet", "PatientAge"])
    capfd.readouterr()
    with warnings.catch_warnings(record=True) as quoted:
        warnings.simplefilter("always")
        read_radiograph(film)
        read_elements(film, ["PatientID"])
    assert quoted == []
    assert capfd.readouterr() == ("", "")


def test_the_salt_makes_the_hash(tmp_path, monkeypatch):
    monkeypatch.setenv("PNEUMONIA_SALT", "Jefe")
    # RFC 4231, test case 2, whose key is "Jefe".
    assert pseudonym("what do ya want for nothing?") == "5bdcc146bf60754e"
    monkeypatch.setenv("PNEUMONIA_SALT", "another")
    assert pseudonym("what do ya want for nothing?") != "5bdcc146bf60754e"


def test_without_a_given_salt_one_is_made_once_and_for_all_copies(tmp_path, monkeypatch):
    monkeypatch.delenv("PNEUMONIA_SALT", raising=False)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(pseudonym, ["7"] * 8))) == 1
    first = pseudonym("7")
    assert stat.S_IMODE((tmp_path / SALT_FILE).stat().st_mode) == 0o600
    assert pseudonym("7") == first
    (tmp_path / SALT_FILE).unlink()
    assert pseudonym("7") != first


def test_patient_of_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("PNEUMONIA_SALT", "Jefe")
    names = {"a": " MRN-1 ", "b": "MRN-1", "c": "MRN-2", "none": "", "blank": "  "}
    for name, number in names.items():
        (tmp_path / name).write_bytes(dicom(np.eye(40, dtype=np.uint8), PatientID=number))
    (tmp_path / "broken").write_bytes(b"no film")
    bare = pydicom.Dataset()
    bare.update(pydicom.dcmread(tmp_path / "b"))
    bare.save_as(tmp_path / "bare", enforce_file_format=False, implicit_vr=True, little_endian=True)
    assert b"DICM" not in (tmp_path / "bare").read_bytes()
    hashes = {name: patient_hash(tmp_path / name) for name in (*names, "broken", "bare")}
    assert hashes["a"] == hashes["b"] == hashes["bare"] == pseudonym("MRN-1")
    assert hashes["c"] == pseudonym("MRN-2")
    assert hashes["none"] == hashes["blank"] == hashes["broken"] == ""
