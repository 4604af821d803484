"""PneumoniaMNIST: the films of Kermany et al. cropped to squares, 4,708 train, 524 val, 624 test.

Yang et al., MedMNIST v2: A large-scale lightweight benchmark for 2D and 3D biomedical image classification, Scientific
Data 10:41, 2023; sizes over 28 from MedMNIST+, doi:10.5281/zenodo.10519652, CC BY 4.0. Addresses and MD5 are those of
the package `medmnist` 3.0.2.

The archive tells normal from pneumonia and nothing else: neither bacterial from viral nor one patient from another.
"""

import sys
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from pneumonia.params.blocks import SourceBlock
from pneumonia.params.paths import user_cache
from pneumonia.params.stages import Compute
from pneumonia.sources.shared.fetching import Download, fetch_file, provenance
from pneumonia.sources.shared.raw import Film, write_index
from pneumonia.workers import parallel_map


class Settings(SourceBlock):
    """The source's block in params.yaml."""

    size: Literal[28, 64, 128, 224]


def _published(file: str, md5: str) -> Download:
    return Download(f"https://zenodo.org/records/10519652/files/{file}?download=1", file, f"md5:{md5}")


DOWNLOADS = {
    28: _published("pneumoniamnist.npz", "28209eda62fecd6e6a2d98b1501bb15f"),
    64: _published("pneumoniamnist_64.npz", "8f4eceb4ccffa70c672198ea285246c6"),
    128: _published("pneumoniamnist_128.npz", "05b46931834c231683c68f40c47b2971"),
    224: _published("pneumoniamnist_224.npz", "d6a3c71de1b945ea11211b03746c1fe1"),
}
"""The archives, by the side of their square films in pixels."""

LABELS = ("normal", "pneumonia")

WARNING = "PneumoniaMNIST names no patients: each film is its own, and films of one may be on both sides of a split"

_OFFICIAL_SPLITS = {"train": "train", "val": "train", "test": "test"}


def fetch(settings: Settings, directory: Path, compute: Compute) -> None:
    """Fill `directory` with the films as lossless greyscale PNGs (see `shared.raw`); `val` counts as train.

    Raises:
        UserError: a download that cannot be used.
    """
    fetch_npz(directory, user_cache(), DOWNLOADS[settings.size], compute)


def fetch_npz(directory: Path, cache: Path, download: Download, compute: Compute) -> None:
    """Fill `directory` from the archive of one size, which stays in `cache`."""
    archive = fetch_file(download, cache)
    films: list[Film] = []
    to_write: list[tuple[np.ndarray, Path]] = []
    with np.load(archive) as arrays:
        for split, official_split in _OFFICIAL_SPLITS.items():
            images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"].ravel()
            (directory / "images" / split).mkdir(parents=True)
            for number, (image, label) in enumerate(zip(images, labels, strict=True)):
                film = Film(f"images/{split}/{number:05d}.png", LABELS[label], f"{split}-{number}", official_split)
                films.append(film)
                to_write.append((image, directory / film.file))
    for _ in parallel_map(_write_png, to_write, compute, "writing films"):
        pass
    print(f"warning: {WARNING}", file=sys.stderr)
    source = {"name": "medmnist", "url": download.url, **provenance(archive), "licence": "CC BY 4.0"}
    write_index(directory, films, source | {"warnings": [WARNING]})


def _write_png(image_and_path: tuple[np.ndarray, Path]) -> None:
    image, path = image_and_path
    Image.fromarray(image).save(path)
