"""Small files that would take the machine, or minutes, with what is said of each."""

import io
import struct
import zlib
from pathlib import Path

from PIL import Image
from pydicom.data import get_testdata_file

from .png_files import chunk


def one_changed_byte() -> bytes:
    """A DICOM of 3.6 kB whose JPEG 2000 stream says that it is 8,389,120 pixels wide: 20 GB."""
    data = bytearray(Path(str(get_testdata_file("693_J2KI.dcm", download=False))).read_bytes())
    data[2043] = 0x80
    return bytes(data)


def many_scans() -> bytes:
    """A progressive JPEG whose shortest scan is repeated: some bytes each, and a pass over 64 million pixels."""
    file = io.BytesIO()
    Image.new("L", (8000, 8000), 128).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    starts = [at for at in range(len(data) - 1) if data[at : at + 2] == b"\xff\xda"]
    start, end = min(zip(starts, [*starts[1:], len(data) - 2], strict=True), key=lambda scan: scan[1] - scan[0])
    return data[:start] + data[start:end] * 400 + data[start:]


def many_elements() -> bytes:
    """A DICOM of 16 MB in elements of 8 bytes."""
    return bytes(128) + b"DICM" + struct.pack("<HH2sH", 8, 0x1030, b"LO", 0) * 2_000_000


def much_memory() -> bytes:
    """A PNG of 64 million pixels in colours of 16 bits, all of them 0: 384 MB before anything is done with it."""
    compress = zlib.compressobj(1)
    pixels = b"".join(compress.compress(bytes(1 + 8000 * 6)) for _ in range(8000)) + compress.flush()
    header = struct.pack(">IIBBBBB", 8000, 8000, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


HOSTILE = {
    "one_byte.dcm": (one_changed_byte, "corrupt: its JPEG 2000 stream has 8389120 x 512 pixels"),
    "scans.jpg": (many_scans, "decompression bomb: a JPEG of more than 20 scans"),
    "elements.dcm": (many_elements, "decompression bomb: it takes too much time to decode"),
    "memory.png": (much_memory, "decompression bomb: it takes more than 960 MiB to decode"),
}
"""By name of a file: what makes its bytes, and how the reason starts."""
