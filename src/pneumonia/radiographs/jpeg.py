"""The picture in a JPEG as greys."""

import io

import numpy as np
from PIL import Image

from pneumonia.radiographs.jpeg_stream import Stream, read_stream
from pneumonia.radiographs.jpeg_table import JPEG_LUMINANCE
from pneumonia.radiographs.limits import admit
from pneumonia.radiographs.orientation import orientation_in, upright
from pneumonia.radiographs.radiograph import Radiograph, UnreadableRadiograph, saturation

_QUALITIES = np.arange(1, 101)
_SCALES = np.where(_QUALITIES < 50, 5000 // _QUALITIES, 200 - 2 * _QUALITIES)  # per cent of the table, as in jcparam.c
_TABLES = np.clip((JPEG_LUMINANCE.reshape(64) * _SCALES[:, None] + 50) // 100, 1, 255)  # (100, 64)


def read_jpeg(data: bytes) -> Radiograph:
    """The film in a JPEG file, turned as its EXIF says.

    Raises:
        UnreadableRadiograph: cut off, corrupt, or of more than 8 bits or lossless, which is not read outside of DICOM.
    """
    stream = read_stream(data)
    admit(stream.frame.width, stream.frame.height)
    if stream.frame.bits != 8 or stream.frame.lossless:
        kind = "lossless" if stream.frame.lossless else f"of {stream.frame.bits} bits"
        raise UnreadableRadiograph(f"JPEG {kind}: outside of DICOM it is not read; save it as PNG")
    colour, mode = _saturation(stream)
    image = Image.open(io.BytesIO(stream.data), formats=["JPEG"])
    tables = image.quantization  # type: ignore[attr-defined]
    quality = jpeg_quality(next(iter(tables.values())))
    if stream.says_both:
        picture: Image.Image = decode_components(stream, tagged_rgb=True)
        colour = saturation(picture)
    else:
        image.draft("L", None)  # full size, and no colours made only to be averaged away
        picture = image
    pixels = np.asarray(upright(picture.convert("L"), orientation_in(stream.exif)))
    return Radiograph(pixels, mode, "JPEG", quality, len(data), colour)


def decode_components(stream: Stream, tagged_rgb: bool) -> Image.Image:
    """The picture of 8 bits in a JPEG within a file that says that it is red, green and blue, or that it is not.

    Such a tag may be wrong, and a stream that tells knows better. One that does not is luma and chroma without the tag,
    as all decoders take it, and with it whatever it shows more greyly, since films are grey. The mode is `L`, `RGB`,
    `YCbCr` or `CMYK`.
    """
    image = Image.open(io.BytesIO(stream.data), formats=["JPEG"])
    if image.mode != "RGB" or stream.is_rgb:
        return image
    image.draft("YCbCr", image.size)  # the components as they are
    return greyer(image.size, image.tobytes()) if stream.is_rgb is None and tagged_rgb else image


def greyer(size: tuple[int, int], components: bytes) -> Image.Image:
    """Three components, uint8, as red, green and blue or as luma and chroma: whichever shows fewer colours."""
    return min((Image.frombytes(mode, size, components) for mode in ("RGB", "YCbCr")), key=saturation)


def jpeg_quality(luminance: list[int]) -> int:
    """The quality at which the Independent JPEG Group's encoder has the table nearest to `luminance` (64 values)."""
    return int(_QUALITIES[np.abs(_TABLES - np.array(luminance)).sum(axis=1).argmin()])


def _saturation(stream: Stream) -> tuple[float, str]:
    """The saturation of the film decoded at an eighth of its size, which is cheap: coarse parts show colour too.

    With it the mode of the whole, since both need the stream opened.
    """
    image = Image.open(io.BytesIO(stream.data), formats=["JPEG"])
    mode = image.mode
    image.draft("RGB", (1, 1))
    return saturation(image), mode
