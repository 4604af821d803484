"""What every decoder of films gives: a greyscale array with the facts of its encoding, or why there is none."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

MAX_PIXELS = 64_000_000
"""More than 8,000 x 8,000 is no radiograph but a decompression bomb; the largest detectors give 19 million."""

DETECTOR_BITS = (8, 10, 12, 14, 16)


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


def refuse_bomb(width: int, height: int) -> None:
    """Refuse what is too large to be decoded.

    Raises:
        UnreadableRadiograph: more than `MAX_PIXELS`.
    """
    if width * height > MAX_PIXELS:
        raise UnreadableRadiograph(f"decompression bomb: {width} x {height} pixels, at most {MAX_PIXELS:,} are read")


def white_in_use(stored: np.ndarray) -> int:
    """The white of unsigned greys of at most 16 bits: the maximum of the fewest `DETECTOR_BITS` that hold them.

    Films of 10 to 14 bits are often kept in 16-bit files as they are: scaled by the file's 16 bits, a 12-bit film would
    be all but black, with 16 greys left. The price is that an unusually dark 16-bit film comes out brighter.
    """
    brightest = int(stored.max())
    return next(2**bits - 1 for bits in DETECTOR_BITS if brightest < 2**bits)


def to_eight_bits(values: np.ndarray, black: float, white: float) -> np.ndarray:
    """`values` scaled to uint8, 0 at `black` and below, 255 at `white` and above."""
    greys = values.astype(np.float32)  # changed in place: a large film's copies would add up to a gigabyte
    greys -= np.float32(black)
    greys /= np.float32(white - black)
    np.clip(greys, 0, 1, out=greys)
    greys *= 255
    return np.rint(greys, out=greys).astype(np.uint8)


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
