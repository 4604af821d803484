"""What a JPEG 2000 codestream says of its picture (ITU-T T.800, annex A), read before anything is decoded.

A decoder believes these numbers and makes room for them: one changed byte asks for 20 GB.
"""

import struct
from dataclasses import dataclass

from pneumonia.radiographs.radiograph import UnreadableRadiograph

_START = b"\xff\x4f\xff\x51"
"""The start of a codestream and of its size; in a JP2 file it lies behind boxes."""
_CODING_STYLE = b"\xff\x52"


@dataclass(frozen=True)
class Codestream:
    """The size and the kind of samples in a codestream."""

    width: int
    height: int
    components: int
    bits: int
    signed: bool
    becomes_rgb: bool
    """Whether the decoder turns three components into red, green and blue, whatever the file around it says."""


def read_codestream(data: bytes) -> Codestream:
    """Read the main header.

    Raises:
        UnreadableRadiograph: none, or one that is cut off.
    """
    start = data.find(_START)
    try:
        if start < 0:
            raise IndexError
        length, _, right, bottom, left, top, *_, components = struct.unpack_from(">HHIIIIIIIIH", data, start + 4)
        depths = [data[start + 42 + 3 * number] for number in range(components)]
        bits, signed = max(depth & 0x7F for depth in depths) + 1, any(depth & 0x80 for depth in depths)
        style = data.find(_CODING_STYLE, start + 4 + length)
        transformed = style >= 0 and data[style + 8] == 1
    except (IndexError, ValueError, struct.error):
        raise UnreadableRadiograph("corrupt: a JPEG 2000 stream without a header") from None
    return Codestream(right - left, bottom - top, components, bits, signed, transformed)
