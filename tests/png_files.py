"""Files that no library writes, byte by byte."""

import struct
import zlib

import numpy as np


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(samples: np.ndarray, bits: int, colour_type: int, extra: bytes = b"") -> bytes:
    """A PNG of `samples`, integers (H, W, C), those of fewer than 8 bits packed; `extra` stands before the pixels."""
    height, width, channels = samples.shape
    if bits == 16:
        packed = samples.astype(">u2").view(np.uint8).reshape(height, -1)
    else:
        flat = samples.reshape(height, width * channels).astype(np.uint8)
        packed = np.packbits(np.unpackbits(flat[..., None], axis=2)[..., 8 - bits :].reshape(height, -1), axis=1)
    rows = b"".join(b"\0" + row.tobytes() for row in packed)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
