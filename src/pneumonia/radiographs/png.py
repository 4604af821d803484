"""A PNG as greys, of every bit depth and colour type (W3C Recommendation, Portable Network Graphics, third edition).

Only the chunks that the pixels need are handed to the decoder: whatever is wrong with the others, be they text, profile
or EXIF, costs no film.
"""

import io
import re
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from pneumonia.radiographs.greys import luma, range_in_use, to_eight_bits
from pneumonia.radiographs.limits import admit
from pneumonia.radiographs.orientation import orientation_in, upright
from pneumonia.radiographs.radiograph import Radiograph, UnreadableRadiograph, saturation

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_PIXELS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_ANY_PIXELS = re.compile(b"|".join(_PIXELS))
_GREY, _RGB, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 4, 6
"""Colour types."""


def read_png(data: bytes) -> Radiograph:
    """The film in a PNG file, turned as its EXIF says.

    Raises:
        UnreadableRadiograph: cut off, corrupt, or a decompression bomb.
    """
    chunks, exif = [], b""
    for kind, body, chunk in _chunks(data):
        if kind in _PIXELS:
            chunks.append(chunk)
        elif kind == b"eXIf":
            exif = body
    if not chunks or chunks[0][4:8] != b"IHDR" or len(chunks[0]) != 25:
        raise UnreadableRadiograph("corrupt: a PNG without a header")
    width, height, bits, colour_type = struct.unpack_from(">IIBB", chunks[0], 8)
    admit(width, height)
    pixels = b"".join([SIGNATURE, *chunks])
    with _open(pixels) as image:
        mode, colour = image.mode, saturation(image)
        if bits < 16:
            shown = image.convert("L")
        else:
            stored = _sixteen_bits(pixels, chunks, colour_type)
            shown = Image.fromarray(to_eight_bits(stored, *range_in_use(stored)))
    return Radiograph(np.asarray(upright(shown, orientation_in(exif))), mode, "PNG", None, len(data), colour)


def _sixteen_bits(pixels: bytes, chunks: list[bytes], colour_type: int) -> np.ndarray:
    """The greys of a PNG of 16 bits a sample, uint16 (height, width). Of colours Pillow itself keeps 8 bits alone."""
    if colour_type == _GREY:
        return np.asarray(_open(pixels))
    if colour_type == _GREY_ALPHA:  # in bytes, a grey and its alpha are the four channels of an 8-bit PNG with colours
        fields = chunks[0][8:16] + bytes([8, _RGB_ALPHA]) + chunks[0][18:21]
        greys = np.asarray(_open(b"".join([SIGNATURE, _chunk(b"IHDR", fields), *chunks[1:]])))
        return greys[..., 0].astype(np.uint16) << 8 | greys[..., 1]
    rawmode = {_RGB: "RGB", _RGB_ALPHA: "RGBA"}[colour_type]
    high, low = (np.asarray(_open(pixels, f"{rawmode};16{order}")) for order in "BL")
    return luma(high[..., :3].astype(np.uint16) << 8 | low[..., :3])


def _open(pixels: bytes, rawmode: str | None = None) -> Image.Image:
    """The PNG, whose samples of 16 bits `rawmode` tells in which order to read: what comes first is kept."""
    image = Image.open(io.BytesIO(pixels), formats=["PNG"])
    if rawmode:
        [tile] = image.tile
        image.tile = [tile._replace(args=rawmode)]
    return image


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield the kind, the body and the whole of each chunk, those that the pixels need checked by their checksum."""
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if kind == b"IEND":
            yield kind, b"", _chunk(kind, b"")
            return
        chunk = data[at:end]
        if kind in _PIXELS:
            if len(chunk) < 12 + length:
                raise UnreadableRadiograph("truncated: a PNG without its end")
            if not _is_whole(chunk):
                raise UnreadableRadiograph(f"corrupt: a PNG whose {kind.decode()} has another checksum")
        elif not _is_whole(chunk):
            end = _pixels_after(data, at + 8)
            chunk = b""
        if chunk:
            yield kind, chunk[8:-4], chunk
        at = end
    raise UnreadableRadiograph("truncated: a PNG without its end")


def _pixels_after(data: bytes, at: int) -> int:
    """Where the next chunk that the pixels need starts, after one whose length may be wrong."""
    for found in _ANY_PIXELS.finditer(data, at):
        start = found.start() - 4
        end = start + 12 + struct.unpack_from(">I", data, start)[0]
        if _is_whole(data[start:end]):
            return start
    return len(data)


def _is_whole(chunk: bytes) -> bool:
    return len(chunk) >= 12 and struct.unpack(">I", chunk[-4:])[0] == zlib.crc32(chunk[4:-4])


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
