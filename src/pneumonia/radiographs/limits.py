"""What decoding a film may cost."""

import signal

from pneumonia.radiographs.radiograph import UnreadableRadiograph

MAX_BYTES = 256 << 20
"""The most of a file: 16 bits a pixel on the largest detectors make 40 MiB."""

MAX_PIXELS = 64_000_000
"""More than 8,000 x 8,000 is no radiograph but a decompression bomb; the largest detectors give 19 million."""

MEMORY = 960 << 20
"""The bytes that a decoder may have for itself: `MAX_PIXELS` of 16 bits take 700 MiB."""

SECONDS, SECONDS_A_MEGAPIXEL = 1.0, 0.5
"""Processor time for a film. The slowest decoder, that of JPEG 2000, takes 0.2 s a megapixel on a slow core."""

SECONDS_STUCK = 120
"""Time by the clock after which a decoder that does not answer is given up."""


def start_clock() -> None:
    """From now on this process has `SECONDS` of processor time: at their end it is killed, whatever code it is in."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)


def stop_clock() -> None:
    """The process has all the time it wants."""
    signal.setitimer(signal.ITIMER_PROF, 0)


def admit(width: int, height: int) -> None:
    """Refuse a film of more than `MAX_PIXELS`; where the clock is running, give the others time by their size.

    Raises:
        UnreadableRadiograph: a decompression bomb.
    """
    if width * height > MAX_PIXELS:
        raise UnreadableRadiograph(f"decompression bomb: {width} x {height} pixels, at most {MAX_PIXELS:,} are read")
    if left := signal.getitimer(signal.ITIMER_PROF)[0]:
        signal.setitimer(signal.ITIMER_PROF, left + SECONDS_A_MEGAPIXEL * width * height / 1e6)
