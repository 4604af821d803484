"""One file (JPEG, PNG or DICOM, told apart by content) as one greyscale array, with the facts of its encoding."""

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from pneumonia.jpeg import JPEG_LUMINANCE

if TYPE_CHECKING:
    from pydicom import Dataset

MAX_PIXELS = 64_000_000
"""More than 8,000 x 8,000 is no radiograph but a decompression bomb; the largest detectors give 19 million."""

DEFLATED = b"1.2.840.10008.1.2.1.99"
"""The transfer syntax whose whole data set is compressed."""

YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
"""Of the units of a DICOM age."""

DETECTOR_BITS = (8, 10, 12, 14, 16)

_QUALITIES = np.arange(1, 101)
_SCALES = np.where(_QUALITIES < 50, 5000 // _QUALITIES, 200 - 2 * _QUALITIES)  # per cent of the table, as in jcparam.c
_TABLES = np.clip((JPEG_LUMINANCE.reshape(64) * _SCALES[:, None] + 50) // 100, 1, 255)  # (100, 64)


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
    """DICOM's view position, `AP` or `PA`; like sex and age empty where the file does not say."""
    sex: str = ""
    """`F`, `M` or `O`."""
    age: float | None = None
    """Years."""

    @property
    def width(self) -> int:
        """Columns, after any EXIF rotation."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Rows, after any EXIF rotation."""
        return int(self.pixels.shape[0])


def read_radiograph(source: Path | bytes) -> Radiograph:
    """Decode a file, or the bytes of one.

    Raises:
        UnreadableRadiograph: missing, empty, not an image, truncated, corrupt, a decompression bomb, a DICOM without
            pixels or with pixels that are no greyscale or RGB.
    """
    data = source if isinstance(source, bytes) else _file_bytes(source)
    if not data:
        raise UnreadableRadiograph("empty")
    try:
        return _read_dicom(data) if data[128:132] == b"DICM" else _read_image(data)
    except UnreadableRadiograph:
        raise
    except (Image.DecompressionBombError, MemoryError) as error:
        raise UnreadableRadiograph(f"decompression bomb: {error}") from error
    except UnidentifiedImageError as error:
        raise UnreadableRadiograph("not an image: neither JPEG nor PNG nor DICOM") from error
    except Exception as error:  # on broken bytes the decoders raise anything, from KeyError to struct.error
        message = " ".join(str(error).split())
        cut_short = isinstance(error, EOFError | struct.error) or "truncated" in message.lower()
        raise UnreadableRadiograph(f"{'truncated' if cut_short else 'corrupt'}: {message}") from error


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


def saturation(image: Image.Image) -> float:
    """The mean over the pixels of what lies between the strongest and the weakest of red, green and blue, 0 to 1."""
    if Image.getmodebase(image.mode) == "L":
        return 0.0
    size = (min(image.width, 64), min(image.height, 64))
    sample = np.asarray(image.resize(size, Image.Resampling.NEAREST).convert("RGB"))
    red, green, blue = sample[..., 0], sample[..., 1], sample[..., 2]  # ten times as fast as a maximum along an axis
    strongest = np.maximum(np.maximum(red, green), blue)
    weakest = np.minimum(np.minimum(red, green), blue)
    return float((strongest - weakest).mean() / 255)


def jpeg_quality(luminance: list[int]) -> int:
    """The quality at which the Independent JPEG Group's encoder has the table nearest to `luminance` (64 values)."""
    return int(_QUALITIES[np.abs(_TABLES - np.array(luminance)).sum(axis=1).argmin()])


def _file_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UnreadableRadiograph("missing") from error
    except OSError as error:
        raise UnreadableRadiograph(f"cannot be read: {error.strerror}") from error


def _read_image(data: bytes) -> Radiograph:
    image = _open_image(data)
    _refuse_bomb(image.width, image.height)
    mode = image.mode
    if image.format == "PNG":
        image.verify()  # the checksum of every chunk, which loading skips; it uses the image up
        image = _open_image(data)
        quality = None
        colour = saturation(image)
    else:
        _refuse_jpeg_without_end(data)
        quality = jpeg_quality(next(iter(image.quantization.values())))  # type: ignore[attr-defined]
        colour = _jpeg_saturation(data)
        image.draft("L", None)  # full size, and no colours made only to be averaged away
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode == "I;16":
        pixels = _sixteen_to_eight_bits(np.asarray(image))
    else:  # alpha is dropped, for a film is opaque
        pixels = np.asarray(image if image.mode == "L" else image.convert("L"))
    return Radiograph(pixels, mode, "PNG" if image.format == "PNG" else "JPEG", quality, len(data), colour)


def _jpeg_saturation(data: bytes) -> float:
    """Of the film decoded at an eighth of its size, which is cheap: a colour is told from its coarsest parts."""
    image = _open_image(data)
    image.draft("RGB", (1, 1))
    return saturation(image)


def _open_image(data: bytes) -> ImageFile.ImageFile:
    return Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))


def _refuse_bomb(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise UnreadableRadiograph(f"decompression bomb: {width} x {height} pixels, at most {MAX_PIXELS:,} are read")


def _refuse_jpeg_without_end(data: bytes) -> None:
    """A tail lost to zeros, as broken downloads have it, decodes as grey without complaint: look for the end marker."""
    start_of_scan, end_of_image = b"\xff\xda", b"\xff\xd9"
    if data.rfind(end_of_image) < data.find(start_of_scan):
        raise UnreadableRadiograph("truncated: no end-of-image marker")


def _sixteen_to_eight_bits(stored: np.ndarray) -> np.ndarray:
    """Scale 16-bit greys by the depth that they use, the least of `DETECTOR_BITS` that holds them.

    Films of 10 to 14 bits are often kept in 16-bit files as they are: scaled by the file's 16 bits, a 12-bit film would
    be all but black, with 16 greys left. The price is that an unusually dark 16-bit film comes out brighter.
    """
    brightest = int(stored.max())
    white = next(2**bits - 1 for bits in DETECTOR_BITS if brightest < 2**bits)
    return _to_eight_bits(stored, 0, white)


def _to_eight_bits(values: np.ndarray, black: float, white: float) -> np.ndarray:
    greys = values.astype(np.float32)  # changed in place: a large film's copies would add up to a gigabyte
    greys -= np.float32(black)
    greys /= np.float32(white - black)
    np.clip(greys, 0, 1, out=greys)
    greys *= 255
    return np.rint(greys, out=greys).astype(np.uint8)


def _read_dicom(data: bytes) -> Radiograph:
    """Pixels as a viewer shows them: modality LUT, then VOI LUT or window, then MONOCHROME1 inverted."""
    # Here, since it takes more than a second and most data sets have no DICOM.
    from pydicom import dcmread
    from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
    from pydicom.pixels.utils import pixel_array

    if DEFLATED in data:  # a megabyte of it may be gigabytes, which are inflated before anything can be looked at
        raise UnreadableRadiograph("DICOM deflated: this transfer syntax is not read; save it uncompressed")
    dataset = dcmread(io.BytesIO(data))
    if "PixelData" not in dataset:
        raise UnreadableRadiograph("DICOM without pixels")
    _refuse_bomb(dataset.Columns, dataset.Rows)
    stored = pixel_array(dataset, index=0)  # the first frame, YBR already turned to RGB
    mode = dataset.PhotometricInterpretation
    colour = 0.0
    if mode in ("MONOCHROME1", "MONOCHROME2"):
        shown = apply_voi_lut(apply_modality_lut(stored, dataset), dataset)
        pixels = _to_eight_bits(shown, *_shown_range(dataset))
        if mode == "MONOCHROME1":
            pixels = 255 - pixels
    elif stored.ndim == 3 and stored.dtype == np.uint8:
        picture = Image.fromarray(stored)
        pixels, colour = np.asarray(picture.convert("L")), saturation(picture)
    else:
        raise UnreadableRadiograph(f"DICOM without greys: {mode}, {dataset.BitsStored} bits")
    view, sex = str(dataset.get("ViewPosition") or ""), str(dataset.get("PatientSex") or "")
    age = _years(str(dataset.get("PatientAge") or ""))
    return Radiograph(pixels, mode, "DICOM", None, len(data), colour, view, sex, age)


def _years(age: str) -> float | None:
    """Of DICOM's age string, as `034Y` or `006M`; None of anything else."""
    number, unit = age[:-1], age[-1:]
    return int(number) * YEARS[unit] if number.isdecimal() and unit in YEARS else None


def _shown_range(dataset: "Dataset") -> tuple[float, float]:
    """What is black and what is white after the LUTs: the range of the LUT or, without one, of the bits stored.

    Not the range that the film happens to use: an 8-bit film without window keeps its greys.
    """
    if dataset.get("VOILUTSequence"):
        return 0, 2 ** dataset.VOILUTSequence[0].LUTDescriptor[2] - 1
    if dataset.get("ModalityLUTSequence"):
        return 0, 2 ** dataset.ModalityLUTSequence[0].LUTDescriptor[2] - 1
    bits, signed = dataset.BitsStored, dataset.PixelRepresentation == 1
    lowest, highest = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
    return lowest * slope + intercept, highest * slope + intercept
