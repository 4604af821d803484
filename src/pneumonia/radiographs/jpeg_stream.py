"""A JPEG's stream, looked through before it is decoded: what picture it holds, without what was written beside it.

The segments of ITU-T T.81, annex B, which lossless JPEG and JPEG-LS share.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pneumonia.radiographs.radiograph import UnreadableRadiograph

START, _END = b"\xff\xd8", b"\xff\xd9"

MAX_SCANS = 20
"""A progressive film has 6 to 14. Each scan may cost a pass over the whole film and take no more than some bytes."""

_END_OF_IMAGE, _START_OF_SCAN = 0xD9, 0xDA
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
    """The stream without comments and application data, but for Adobe's segment where a decoder needs it."""
    exif: bytes
    is_rgb: bool | None
    """Whether three components are red, green and blue, not luma and chroma; None where it tells neither, or both."""
    says_both: bool
    """Whether JFIF says luma and chroma, and Adobe's segment that nothing was transformed."""


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
