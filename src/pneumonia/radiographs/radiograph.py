"""What every decoder of films gives: a greyscale array with the facts of its encoding, or why there is none."""

from dataclasses import dataclass

import numpy as np
from PIL import Image


class UnreadableRadiograph(Exception):
    """A file that gives no radiograph. The message is the reason: its kind and, after a colon, the details."""


@dataclass(frozen=True, eq=False)
class Radiograph:
    """A decoded film."""

    pixels: np.ndarray
    """uint8 of shape (height, width), 0 black: air is dark and bone is bright, whatever the file stored."""
    mode: str
    """How the file stored a pixel: Pillow's mode (`L`, `RGB`, `I;16` ...) or DICOM's photometric interpretation."""
    format: str
    """`JPEG`, `PNG` or `DICOM`."""
    quality: int | None
    """JPEG quality from 1 to 100, estimated from the quantisation table; None for another format."""
    bytes: int
    """Size of the file."""
    saturation: float
    """How colourful the file is, 0 to 1: see `saturation`. Grey films stored as RGB have 0."""
    view: str = ""
    """DICOM's view position, `AP`, `PA`, `LL` ...; empty, like `sex`, where the file does not say."""
    sex: str = ""
    """`F`, `M` or `O`."""
    age: float | None = None
    """Years, 90 for all who are 90 or older; None where the file does not say."""
    spacing: float | None = None
    """Millimetres from one row of the stored film to the next."""
    frames: int = 1
    """How many frames the file holds; the film is the first."""

    @property
    def width(self) -> int:
        """Columns, after any EXIF rotation."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Rows, after any EXIF rotation."""
        return int(self.pixels.shape[0])


def saturation(image: Image.Image) -> float:
    """How colourful an image is, 0 to 1: strongest less weakest of red, green and blue, as a mean over pixels."""
    if Image.getmodebase(image.mode) == "L":
        return 0.0
    size = (min(image.width, 64), min(image.height, 64))
    sample = np.asarray(image.resize(size, Image.Resampling.NEAREST).convert("RGB"))
    red, green, blue = sample[..., 0], sample[..., 1], sample[..., 2]  # ten times as fast as a maximum along an axis
    strongest = np.maximum(np.maximum(red, green), blue)
    weakest = np.minimum(np.minimum(red, green), blue)
    return float((strongest - weakest).mean() / 255)
