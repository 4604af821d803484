"""Films in use: a file as one greyscale array, at the size of a network, and refused where it shows nothing."""

from pathlib import Path

import numpy as np
from PIL import Image

from pneumonia.radiographs.isolation import isolated
from pneumonia.radiographs.radiograph import Radiograph, UnreadableRadiograph


def read_radiograph(source: Path | bytes) -> Radiograph:
    """Decode a JPEG, PNG or DICOM file, or the bytes of one, in a process of its own.

    Raises:
        UnreadableRadiograph: missing or no file, empty, not an image, truncated, corrupt, a DICOM without pixels or
            with pixels that are no greyscale or RGB, or what takes too much memory or time, or its decoder down.
    """
    facts, pixels = isolated("film", source)
    shape = facts.pop("height"), facts.pop("width")
    return Radiograph(np.frombuffer(pixels, np.uint8).reshape(shape), **facts)


def read_elements(source: Path | bytes, names: list[str]) -> dict[str, str]:
    """Those of the named elements of a DICOM that can be read, as text, read in a process of its own.

    Raises:
        UnreadableRadiograph: as `read_radiograph`.
    """
    elements, _ = isolated("elements", source, names)
    return elements


def resize(pixels: np.ndarray, size: int) -> np.ndarray:
    """Stretch a film, uint8 (height, width), to uint8 (size, size), as the field does: the aspect ratio is not kept.

    Bilinear, with a filter as wide as the reduction (antialiased): it does not ring at bright edges as bicubic does.
    """
    return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR))


def refuse_unusable(film: Radiograph, min_size: int) -> None:
    """Refuse a film that decodes but shows nothing: `min_size` is the shortest side, in pixels, that will do.

    Raises:
        UnreadableRadiograph: too small, or every pixel is the same.
    """
    if min(film.width, film.height) < min_size:
        raise UnreadableRadiograph(f"too small: {film.width} x {film.height} pixels")
    if film.pixels.min() == film.pixels.max():
        raise UnreadableRadiograph(f"constant: every pixel is {film.pixels.flat[0]}")
