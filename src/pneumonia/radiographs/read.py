"""One file (JPEG, PNG or DICOM, told apart by content) as one greyscale array, with the facts of its encoding."""

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from pneumonia.radiographs.dicom import is_dicom, read_dicom
from pneumonia.radiographs.jpeg_table import JPEG_LUMINANCE
from pneumonia.radiographs.radiograph import (
    Radiograph,
    UnreadableRadiograph,
    refuse_bomb,
    saturation,
    to_eight_bits,
    white_in_use,
)

_QUALITIES = np.arange(1, 101)
_SCALES = np.where(_QUALITIES < 50, 5000 // _QUALITIES, 200 - 2 * _QUALITIES)  # per cent of the table, as in jcparam.c
_TABLES = np.clip((JPEG_LUMINANCE.reshape(64) * _SCALES[:, None] + 50) // 100, 1, 255)  # (100, 64)


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
        return read_dicom(data) if is_dicom(data) else _read_image(data)
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
    refuse_bomb(image.width, image.height)
    mode = image.mode
    if image.format == "PNG":
        image.verify()  # checks every chunk's checksum, which loading skips; it uses the image up
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
        stored = np.asarray(image)
        pixels = to_eight_bits(stored, 0, white_in_use(stored))
    else:  # alpha is dropped, for a film is opaque
        pixels = np.asarray(image if image.mode == "L" else image.convert("L"))
    return Radiograph(pixels, mode, "PNG" if image.format == "PNG" else "JPEG", quality, len(data), colour)


def _jpeg_saturation(data: bytes) -> float:
    """The saturation of the film decoded at an eighth of its size, which is cheap: coarse parts show colour too."""
    image = _open_image(data)
    image.draft("RGB", (1, 1))
    return saturation(image)


def _open_image(data: bytes) -> ImageFile.ImageFile:
    return Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))


def _refuse_jpeg_without_end(data: bytes) -> None:
    """Look for the end marker: a tail of zeros, as broken downloads leave it, decodes as grey without complaint."""
    start_of_scan, end_of_image = b"\xff\xda", b"\xff\xd9"
    if data.rfind(end_of_image) < data.find(start_of_scan):
        raise UnreadableRadiograph("truncated: no end-of-image marker")
