import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumonia.errors import UserError
from pneumonia.sources.medmnist import source as medmnist
from pneumonia.sources.shared.fetching import Download
from pneumonia.sources.shared.raw import read_index

LABELS = {"train": [1, 0, 1], "val": [0], "test": [1, 0]}


def npz_bytes() -> tuple[bytes, dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    images = {split: random.integers(0, 256, (len(labels), 28, 28), np.uint8) for split, labels in LABELS.items()}
    arrays = {f"{split}_images": images[split] for split in LABELS}
    arrays |= {f"{split}_labels": np.array(labels, np.uint8)[:, None] for split, labels in LABELS.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue(), images


def test_films_come_out_pixel_by_pixel(web, tmp_path: Path, compute, capsys):
    web.files["p.npz"], images = npz_bytes()
    md5 = hashlib.md5(web.files["p.npz"]).hexdigest()
    download = Download(f"{web.url}/p.npz", "p.npz", f"md5:{md5}")
    medmnist.fetch_npz(tmp_path / "raw", tmp_path / "cache", download, compute)
    assert read_index(tmp_path / "raw").to_numpy().tolist() == [
        ["images/test/00000.png", "pneumonia", "test-0", "test"],
        ["images/test/00001.png", "normal", "test-1", "test"],
        ["images/train/00000.png", "pneumonia", "train-0", "train"],
        ["images/train/00001.png", "normal", "train-1", "train"],
        ["images/train/00002.png", "pneumonia", "train-2", "train"],
        ["images/val/00000.png", "normal", "val-0", "train"],
    ]
    for split, expected in images.items():
        for number, pixels in enumerate(expected):
            with Image.open(tmp_path / "raw" / "images" / split / f"{number:05d}.png") as image:
                assert image.mode == "L"
                np.testing.assert_array_equal(np.asarray(image), pixels)
    source = json.loads((tmp_path / "raw" / "source.json").read_text())
    assert source["url"] == download.url
    assert source["sha256"] == hashlib.sha256(web.files["p.npz"]).hexdigest()
    assert source["warnings"] == [medmnist.WARNING]
    assert "both sides" in capsys.readouterr().err


def test_another_archive_than_the_published_is_refused(web, tmp_path, compute):
    web.files["p.npz"], _ = npz_bytes()
    download = Download(f"{web.url}/p.npz", "p.npz", "md5:" + "0" * 32)
    with pytest.raises(UserError, match="the published one has 00000000"):
        medmnist.fetch_npz(tmp_path / "raw", tmp_path / "cache", download, compute)


def test_each_size_that_params_allow_has_its_own_file():
    assert {size: download.file for size, download in medmnist.DOWNLOADS.items()} == {
        28: "pneumoniamnist.npz",
        64: "pneumoniamnist_64.npz",
        128: "pneumoniamnist_128.npz",
        224: "pneumoniamnist_224.npz",
    }
    assert len({download.hash for download in medmnist.DOWNLOADS.values()}) == 4
