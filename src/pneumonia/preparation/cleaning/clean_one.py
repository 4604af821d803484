"""What a worker process of `clean` does with one film. It imports little, so that workers start fast."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pneumonia.radiographs.radiograph import UnreadableRadiograph
from pneumonia.radiographs.read import read_radiograph, refuse_unusable, resize

FACTS = ["width", "height", "mode", "format", "quality", "bytes", "view", "sex", "age", "spacing"]
"""What is kept of a film beside its pixels: columns of `index.csv`."""


@dataclass(frozen=True, eq=False)
class PackedFilm:
    """A film resized, with the size and encoding that it came in (see `radiograph.Radiograph`)."""

    image: np.ndarray
    """uint8 of shape (size, size)."""
    fingerprint: str
    """Equal for films of equal pixels, and, rarely, for others too."""
    width: int
    height: int
    mode: str
    format: str
    quality: int | None
    bytes: int
    view: str
    sex: str
    age: float | None
    spacing: float | None
    frames: int


def pack_film(path: Path, size: int, min_size: int) -> PackedFilm | str:
    """The packed film of `path`, or the reason why it is rejected: a kind and, after a colon, the details."""
    try:
        film = read_radiograph(path)
        refuse_unusable(film, min_size)
    except UnreadableRadiograph as error:
        return str(error)
    image = resize(film.pixels, size)
    # Hashing the film itself would add a fifth to the time of decoding it; hashing the small image adds a hundredth.
    fingerprint = hashlib.sha256(f"{film.width} x {film.height}".encode() + image.tobytes()).hexdigest()
    facts = {name: getattr(film, name) for name in FACTS}
    return PackedFilm(image, fingerprint, frames=film.frames, **facts)


def pixel_hashes(paths: Sequence[Path]) -> list[str]:
    """A hash of each film's decoded pixels; all must be readable. Copies of one file are decoded once."""
    hashes: dict[bytes, str] = {}
    for data in (contents := [path.read_bytes() for path in paths]):
        if data not in hashes:
            hashes[data] = hashlib.sha256(read_radiograph(data).pixels.tobytes()).hexdigest()
    return [hashes[data] for data in contents]
