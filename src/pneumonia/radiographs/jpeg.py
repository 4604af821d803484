"""A JPEG as greys: its stream is looked through before it is decoded, and what is no picture is left out.

The segments of ITU-T T.81, annex B, which lossless JPEG and JPEG-LS share.
"""

import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pneumonia.radiographs.jpeg_table import JPEG_LUMINANCE
from pneumonia.radiographs.limits import admit
from pneumonia.radiographs.orientation import orientation_in, upright
from pneumonia.radiographs.radiograph import Radiograph, UnreadableRadiograph, saturation

START, _END = b"\xff\xd8", b"\xff\xd9"

MAX_SCANS = 20
"""A progressive film has 6 to 14. Each scan may cost a pass over the whole film and take no more than some bytes."""

_START_OF_IMAGE, _END_OF_IMAGE, _START_OF_SCAN = 0xD8, 0xD9, 0xDA
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
"""The markers that start a frame, with its size; 0xF7 is that of JPEG-LS."""
_LOSSLESS, _JPEG_LS = {0xC3, 0xC7, 0xCB, 0xCF}, 0xF7
_JFIF, _EXIF, _ADOBE = 0xE0, 0xE1, 0xEE
_METADATA = {*range(0xE0, 0xF0), 0xFE}
"""Application data and comments."""
_BARE = {0x01, *range(0xD0, 0xD9)}
"""Markers without a length."""
_MARKER = re.compile(rb"\xff+([^\x00\xff])")
_NEXT_IN_SCAN = re.compile(rb"\xff+([\x80-\xcf\xd8-\xfe])")
"""What ends a scan's data, in which 0xFF is followed by 0 (in JPEG-LS by less than 0x80) or is a restart."""
_PICTURE = re.compile(rb"\xff[\xc0-\xc7\xc9-\xcf\xd8-\xdb\xdd]")

_QUALITIES = np.arange(1, 101)
_SCALES = np.where(_QUALITIES < 50, 5000 // _QUALITIES, 200 - 2 * _QUALITIES)  # per cent of the table, as in jcparam.c
_TABLES = np.clip((JPEG_LUMINANCE.reshape(64) * _SCALES[:, None] + 50) // 100, 1, 255)  # (100, 64)


@dataclass(frozen=True)
class Frame:
    """What the stream says of the picture in it."""

    marker: int
    bits: int
    height: int
    width: int
    components: int
    subsampled: bool
    named_rgb: bool
    """Whether its components are called R, G and B."""

    @property
    def lossless(self) -> bool:
        """Whether only a decoder of lossless JPEG or JPEG-LS reads it."""
        return self.marker in _LOSSLESS or self.marker == _JPEG_LS


@dataclass(frozen=True)
class Stream:
    """A JPEG's picture, without what was written beside it."""

    frame: Frame
    data: bytes
    """The stream without comments and application data, but for those that tell its colours."""
    exif: bytes
    is_rgb: bool | None
    """Whether three components are red, green and blue, not luma and chroma; None where it tells neither, or both."""
    says_both: bool


def read_stream(data: bytes) -> Stream:
    """Look through a JPEG, lossless JPEG or JPEG-LS without decoding it.

    Raises:
        UnreadableRadiograph: no frame, more than `MAX_SCANS` scans, cut off, or segments that lead nowhere.
    """
    frame, exif, scans, kept, adobe, jfif = None, b"", 0, [START], b"", False
    for marker, segment in _segments(data):
        body = segment[4:]
        if marker in _FRAMES:
            frame = frame or _frame(marker, body)
        elif marker == _EXIF and body.startswith(b"Exif\0\0"):
            exif = exif or body
        elif marker == _START_OF_SCAN:
            scans += 1
        elif marker == _ADOBE and body.startswith(b"Adobe") and len(body) >= 12:
            adobe = segment
        jfif |= marker == _JFIF and body.startswith(b"JFIF\0")
        if marker not in _METADATA:
            kept.append(segment)
        if scans > MAX_SCANS:
            raise UnreadableRadiograph(f"decompression bomb: a JPEG of more than {MAX_SCANS} scans")
    if frame is None or not scans:
        raise UnreadableRadiograph("corrupt: a JPEG without a picture")
    # The transform that Adobe's segment tells: none, YCbCr, or YCCK. JFIF is always YCbCr.
    is_rgb = adobe[15] == 0 if adobe else True if frame.named_rgb else False if frame.subsampled else None
    says_both = bool(adobe) and jfif and is_rgb is True and frame.components == 3 and not frame.named_rgb
    if adobe and not says_both and (frame.components == 4 or is_rgb):
        kept.insert(1, adobe)  # without it, libjpeg takes three components for YCbCr, and four for CMYK
    return Stream(frame, b"".join(kept), exif, None if says_both else is_rgb, says_both)


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


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each segment as its marker and its bytes, a scan with the data behind it, up to the end of the image."""
    at = len(START)
    while True:
        start = _MARKER.match(data, at)
        if start is None:
            start = _picture_after(data, at)
        marker, at = start[1][0], start.end() - 2
        if marker == _END_OF_IMAGE:
            yield marker, data[at : at + 2]
            return
        if marker in _BARE:
            end = at + 2
        else:
            if at + 4 > len(data):
                raise UnreadableRadiograph("truncated: no end-of-image marker")
            end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        if marker == _START_OF_SCAN:
            after = _NEXT_IN_SCAN.search(data, end)
            if after is None:
                raise UnreadableRadiograph("truncated: no end-of-image marker")
            end = after.start()
        elif end > len(data) or (not _MARKER.match(data, end) and marker in _METADATA):
            end = _picture_after(data, at + 2).start()  # a length that leads nowhere, as broken metadata has it
        yield marker, data[at:end]
        at = end


def _picture_after(data: bytes, at: int) -> re.Match[bytes]:
    """The next segment that the picture needs, after metadata that is broken."""
    found = _PICTURE.search(data, at)
    while found and found[0] == START:  # a thumbnail, which must not be taken for the film
        end = data.find(_END, found.end())
        found = _PICTURE.search(data, end + len(_END)) if end >= 0 else None
    if found is None:
        raise UnreadableRadiograph("truncated: no end-of-image marker")
    match = _MARKER.match(data, found.start())
    assert match
    return match


def _frame(marker: int, body: bytes) -> Frame:
    try:
        bits, height, width, components = struct.unpack_from(">BHHB", body)
        names, samplings = body[6 : 6 + 3 * components : 3], {body[7 + 3 * number] for number in range(components)}
    except (struct.error, IndexError):
        raise UnreadableRadiograph("corrupt: a JPEG whose frame is cut off") from None
    return Frame(marker, bits, height, width, components, len(samplings) > 1, names == b"RGB")
