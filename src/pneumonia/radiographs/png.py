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

from pneumonia.radiographs.greys import greys_of, range_in_use, to_eight_bits
from pneumonia.radiographs.limits import admit
from pneumonia.radiographs.orientation import orientation_in, upright
from pneumonia.radiographs.radiograph import Radiograph, UnreadableRadiograph, saturation

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_PIXELS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_ANY_PIXELS = re.compile(b"|".join(_PIXELS))
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
"""Colour types."""
_WRONG = "corrupt: a PNG whose {} has another checksum"


def read_png(data: bytes) -> Radiograph:
    """The film in a PNG file, turned as its EXIF says.

    Raises:
        UnreadableRadiograph: cut off, corrupt, or a decompression bomb.
    """
    chunks, exif = [], b""
    for kind, chunk in _chunks(data):
        if kind == b"eXIf":
            exif = chunk[8:-4]
        elif kind in _PIXELS:
            chunks.append(chunk)
    headers = [chunk for chunk in chunks if chunk[4:8] == b"IHDR"]
    if headers != chunks[:1] or len(headers[0]) != 25:
        raise UnreadableRadiograph("corrupt: a PNG without one header, first of all")
    width, height, bits, colour_type = struct.unpack_from(">IIBB", headers[0], 8)
    admit(width, height)
    pixels = b"".join([SIGNATURE, *chunks])
    with _open(pixels) as image:
        mode = image.mode
        if bits < 16:
            shown, colour = image.convert("L"), saturation(image)
        else:
            greys, colour = greys_of(_sixteen_bits(pixels, chunks, colour_type))
            shown = Image.fromarray(to_eight_bits(greys, *range_in_use(greys)))
    return Radiograph(np.asarray(upright(shown, orientation_in(exif))), mode, "PNG", None, len(data), colour)


def _sixteen_bits(pixels: bytes, chunks: list[bytes], colour_type: int) -> np.ndarray:
    """The samples of a PNG of 16 bits each without alpha: greys, uint16 (height, width), or colours, (…, 3).

    Pillow undoes filters and interlacing, but keeps 8 bits of colours. So it is asked twice, for the upper and the
    lower byte of each sample.
    """
    if colour_type == _GREY:
        return np.asarray(_open(pixels))
    if colour_type == _GREY_ALPHA:  # in bytes, a grey and its alpha are the four channels of an 8-bit PNG with colours
        fields = chunks[0][8:16] + bytes([8, _RGB_ALPHA]) + chunks[0][18:21]
        greys = np.asarray(_open(b"".join([SIGNATURE, _chunk(b"IHDR", fields), *chunks[1:]])))
        return greys[..., 0].astype(np.uint16) << 8 | greys[..., 1]
    rawmode = {_RGB: "RGB", _RGB_ALPHA: "RGBA"}[colour_type]
    high, low = (np.asarray(_open(pixels, f"{rawmode};16{order}")) for order in "BL")
    return high[..., :3].astype(np.uint16) << 8 | low[..., :3]


def _open(pixels: bytes, rawmode: str | None = None) -> Image.Image:
    """The PNG, whose samples of 16 bits `rawmode` tells in which order to read: what comes first is kept."""
    image = Image.open(io.BytesIO(pixels), formats=["PNG"])
    if rawmode:
        [tile] = image.tile
        image.tile = [tile._replace(args=rawmode)]
    return image


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the whole of each chunk that is whole; those that the pixels need must be."""
    at, needed = len(SIGNATURE), set(_PIXELS)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if kind == b"IEND":
            yield kind, _chunk(kind, b"")
            return
        chunk = data[at:end]
        if _is_whole(chunk):
            if kind == b"IHDR" and chunk[17] != _PALETTE:
                needed.discard(b"PLTE")  # which then is only a suggestion
            yield kind, chunk
        elif kind in needed:
            cut_off = len(chunk) < 12 + length
            raise UnreadableRadiograph("truncated: a PNG without its end" if cut_off else _WRONG.format(kind.decode()))
        elif not _may_start(data, end):
            end = _pixels_after(data, at + 8)
        at = end
    raise UnreadableRadiograph("truncated: a PNG without its end")


def _may_start(data: bytes, at: int) -> bool:
    """Whether a chunk may start there: one whose checksum alone is wrong leads to the next."""
    return data[at + 4 : at + 8].isalpha() and at + 12 + struct.unpack_from(">I", data, at)[0] <= len(data)


def _pixels_after(data: bytes, at: int) -> int:
    """Where the pixels go on after a chunk whose length is wrong.

    From there chunk must follow chunk to the end: a thumbnail in the broken chunk has an end of its own, so it is
    passed over.
    """
    last = data.rfind(b"IEND") - 4
    for found in _ANY_PIXELS.finditer(data, at):
        start = found.start() - 4
        here = start
        while here < last and _is_whole(chunk := data[here : here + 12 + struct.unpack_from(">I", data, here)[0]]):
            here += len(chunk) if chunk[4:8] != b"IEND" else len(data)
        if here == last:
            return start
    return len(data)


def _is_whole(chunk: bytes) -> bool:
    return len(chunk) >= 12 and struct.unpack(">I", chunk[-4:])[0] == zlib.crc32(chunk[4:-4])


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
