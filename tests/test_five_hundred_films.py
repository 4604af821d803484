"""A folder as people have it, a tenth of it bad in every way, goes through the pipeline and through `predict`."""

import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydicom.uid import JPEG2000Lossless, RLELossless

from pneumonia.radiographs.read import read_radiograph, resize

from .conftest import write_params
from .dicom_files import compressed, dicom
from .hostile_films import HOSTILE
from .png_files import chunk, png
from .small_classifier import thorax
from .small_repository import SMALL, Repository

GOOD, BAD = 450, 50
SIZE = 64


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def deep(grey: np.ndarray, channels: int = 1) -> np.ndarray:
    return (grey.astype(np.uint16) * 16)[..., None].repeat(channels, axis=2)


def windowed(grey: np.ndarray) -> bytes:
    window = {"WindowCenter": "2048.5", "WindowWidth": "4096"}
    return dicom(deep(grey)[..., 0], bits=12, **window).replace(b"2048.5", b"2048,5")


def padded(grey: np.ndarray) -> bytes:
    stored = deep(grey)[..., 0]
    stored[:, :4] = 65535
    return dicom(stored, bits=16, PixelPaddingValue=65535)


FORMS: tuple[tuple[str, Callable[[np.ndarray], bytes]], ...] = (
    (".jpeg", lambda grey: encoded(Image.fromarray(grey), "JPEG")),
    (".png", lambda grey: encoded(Image.fromarray(grey), "PNG")),
    (".JPG", lambda grey: encoded(Image.fromarray(grey).convert("RGB"), "JPEG", progressive=True)),
    (".png", lambda grey: png(deep(grey), 16, 0)),
    (".png", lambda grey: png(deep(grey, 3), 16, 2)),
    (".png", lambda grey: png(deep(grey, 2), 16, 4)),
    (".png", lambda grey: png(grey[..., None], 8, 0, chunk(b"eXIf", b"\0\x08\0\x02") + chunk(b"iCCP", b"none"))),
    (".jpg", lambda grey: encoded(Image.fromarray(grey), "JPEG", exif=b"Exif\0\0" + b"\0\x08\0\x02\x01\x12\0\x03" * 4)),
    (".dcm", lambda grey: dicom(255 - grey, "MONOCHROME1")),
    (".dcm", windowed),
    (".dcm", lambda grey: dicom((deep(grey)[..., 0].astype(np.int32) - 1024).astype(np.int16), bits=16)),
    (".dcm", padded),
    (".dcm", lambda grey: compressed(dicom(grey), JPEG2000Lossless)),
    (".dcm", lambda grey: compressed(dicom(deep(grey)[..., 0], bits=12), RLELossless)),
)

NAMES: tuple[bytes, ...] = (
    b"\xe9",
    "胸部正面片".encode() * 16,
    b"film_$^1_$",
    b"=1+1",
    b"<script>alert(1)<",
    b'it\'s "quoted" \\ and, divided; so',
    b"two\nlines\tand \x1b[31mred",
    b"%s {0} ${HOME} `id` * ?",
    "ü ö#&?".encode(),
    b" trailing ",
    b"x" * 240,
)
"""Names that some films have, without the number and the suffix."""


def bad_films() -> list[tuple[str, bytes, str]]:
    """Twelve kinds of bad films, four or five of each: the suffix, the bytes, and how the reason starts."""
    kinds = [
        (".png", lambda seed: b"", "empty"),
        (".jpg", lambda seed: b"file,label\n%d" % seed, "not an image"),
        (".jpeg", lambda seed: encoded(Image.fromarray(thorax(5000 + seed)), "JPEG")[:900], "truncated"),
        (".png", lambda seed: encoded(Image.fromarray(thorax(5000 + seed)), "PNG")[:900], "truncated"),
        (".dcm", lambda seed: dicom(thorax(5000 + seed))[:-500], "truncated"),
        (".png", lambda seed: encoded(Image.new("L", (96, 96), seed), "PNG"), "constant"),
        (".png", lambda seed: encoded(Image.fromarray(thorax(5000 + seed)).resize((20, 20)), "PNG"), "too small"),
        (".png", lambda seed: b"<html><script>alert(%d)</script>" % seed, "not an image"),
    ]
    hostile = [(Path(name).suffix, made(), reason) for name, (made, reason) in HOSTILE.items()]
    films = []
    for number in range(BAD):
        kind = number % (len(kinds) + len(hostile))
        if kind < len(kinds):
            suffix, make, reason = kinds[kind]
            films.append((suffix, make(number), reason))
        else:
            films.append(hostile[kind - len(kinds)])
    return films


def grey(number: int) -> np.ndarray:
    """The film of a number; the sick ones are brighter."""
    return np.clip(thorax(number).astype(int) + 40 * (number % 2), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder with everything in it, and one with the good films under plain names, by their numbers."""
    root = tmp_path_factory.mktemp("films")
    films, plain, store = root / "films", root / "plain", root / "store"
    for folder in (films / "normal", films / "pneumonia" / "images", plain, store):
        folder.mkdir(parents=True)
    for number in range(GOOD):
        suffix, form = FORMS[number % len(FORMS)]
        data = form(grey(number))
        (plain / f"{number:03}{suffix}").write_bytes(data)
        folder = films / "normal" if number % 2 == 0 else films / "pneumonia" / "images"
        name = b"%03d" % number + (NAMES[number // 3 % len(NAMES)] if number % 3 == 0 else b"") + suffix.encode()
        place = os.fsencode(folder) + b"/" + name
        if number % 10 == 9:  # as DVC has it with links, and people with much data
            (store / f"{number}").write_bytes(data)
            os.symlink(os.fsencode(store / f"{number}"), place)
        else:
            with open(place, "wb") as file:
                file.write(data)
    for number, (suffix, data, _) in enumerate(bad_films()):
        name = b"bad%02d" % number + (NAMES[number // 3 % len(NAMES)] if number % 3 == 0 else b"") + suffix.encode()
        place = os.fsencode(films / ("normal" if number % 2 == 0 else "pneumonia/images")) + b"/" + name
        if number % 10 == 9:
            (store / f"bad{number}").write_bytes(data)
            os.symlink(os.fsencode(store / f"bad{number}"), place)
        else:
            with open(place, "wb") as file:
                file.write(data)
    for litter in ("normal/._000.jpeg", "__MACOSX/normal/._000.jpeg", ".Trash-0/film.png", "normal/Thumbs.db"):
        (films / litter).parent.mkdir(parents=True, exist_ok=True)
        (films / litter).write_bytes(b"\0\5\26\7")
    masks = films / "pneumonia" / "masks"
    masks.mkdir()
    shutil.copy(plain / "001.png", masks / "001.png")
    return films, plain


def number_of(file: str) -> int | None:
    """The number of a good film, from its path."""
    name = Path(file).name
    return None if name.startswith("bad") else int(name[:3])


def assert_each_bad_one_is_named(reasons: dict[str, str]) -> None:
    told = {int(Path(file).name[3:5]): reason for file, reason in reasons.items()}
    assert set(told) == set(range(BAD))
    for number, (_, _, start) in enumerate(bad_films()):
        assert told[number].startswith(start)


@pytest.mark.slow
def test_each_bad_film_is_named_and_each_good_one_is_as_if_it_were_alone(folders, tmp_path):
    films, plain = folders
    repository = Repository(tmp_path / "project")
    changes = {"dataset": "folder", "datasets.folder.path": str(films), "clean.max_rejected": 0.2}
    write_params(repository.root / "params.yaml", SMALL | changes | {"evaluate.draws": 200})
    log = repository.run("dvc", "repro")
    assert "masks" in log

    clean = repository.root / "data" / "clean"
    rejected = pd.read_csv(clean / "rejected.csv")
    assert_each_bad_one_is_named(dict(zip(rejected["file"], rejected["reason"], strict=True)))
    index = pd.read_csv(clean / "index.csv", keep_default_na=False)
    images = np.load(clean / "images.npy")
    numbers = [number_of(file) for file in index["file"]]
    assert sorted(numbers) == list(range(GOOD))
    alone = {int(file.name[:3]): file for file in plain.iterdir()}
    for number, image in zip(numbers, images, strict=True):
        np.testing.assert_array_equal(image, resize(read_radiograph(alone[number]).pixels, SIZE))
        shown = slice(5, None) if FORMS[number % len(FORMS)][1] is padded else slice(None)
        assert np.abs(image.astype(int) - resize(grey(number), SIZE))[:, shown].max() <= 12  # JPEG: 10

    def predictions(folder: Path, failing: bool) -> list[dict[str, Any]]:
        rows = tmp_path / "rows.json"
        command = ["pneumonia", "predict", str(folder), "--model", "models:/pneumonia-binary/1", "--format", "json"]
        repository.run(*command, "--output", str(rows), check=not failing)
        return json.loads(rows.read_text(encoding="utf-8"))

    expected = {number_of(row["file"]): row for row in predictions(plain, failing=False)}
    rows = predictions(films, failing=True)
    assert len(rows) == GOOD + BAD
    assert_each_bad_one_is_named({row["file"]: row["reason"] for row in rows if row["reason"]})
    for row in rows:
        if (number := number_of(row["file"])) is not None:
            assert row["probability"] == pytest.approx(expected[number]["probability"], abs=1e-5)
            assert (row["label"], row["remark"]) == (expected[number]["label"], expected[number]["remark"])
