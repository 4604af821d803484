"""What black and white are, for every format.

- **Where the file says it, that holds**: the ends of a DICOM window, the bits of a look-up table, or fewer bits stored
  than the file has room for. One to eight bits a sample of a PNG or JPEG are always all in use.
- **Where it does not, the film says it**: 16 bits of a PNG, all bits of a DICOM, or bits with a sign. Detectors give 8
  to 16 bits, and files often keep them in 16 as they are: scaled by the room in the file, a 12-bit film would be all
  but black, with 16 greys left. So white lies as far above black as the fewest `DETECTOR_BITS` reach that hold the
  film. Black is 0. Where there is something below 0, a number was subtracted: a quarter of that reach, or half (1024 or
  2048 of 12 bits), or else any, and then the darkest place is black. The price is that an unusually dark film comes out
  brighter.
- **Padding is no film**: pixels of DICOM's `PixelPaddingValue`, up to its range limit, do not count, and are black.
- **Colours become luma**, 0.299 red + 0.587 green + 0.114 blue (ITU-R BT.601), before any of this. Alpha is dropped,
  for a film is opaque.
"""

import numpy as np

DETECTOR_BITS = (8, 10, 12, 14, 16)

SAMPLED = 64
"""Rows and columns that tell how colourful a film is."""

ROWS_AT_ONCE = 256
"""Rows that are scaled at once: the float32 copy of a whole film would be four times as large as the film."""


def range_in_use(stored: np.ndarray, counts: np.ndarray | None = None) -> tuple[int, int]:
    """Black and white of integers, by the film itself (see above).

    `counts`, bool like `stored`, is where there is film; none of it gives the range of all.
    """
    film = stored if counts is None or not counts.any() else stored[counts]
    darkest, brightest = min(0, int(film.min())), int(film.max())
    reach = next((2**bits - 1 for bits in DETECTOR_BITS if brightest - darkest < 2**bits), brightest - darkest)
    subtracted = (0, (reach + 1) // 4, (reach + 1) // 2, -darkest)
    black = max(-next(each for each in subtracted if -each <= darkest), brightest - reach)
    return black, min(black + reach, int(np.iinfo(stored.dtype).max))


def to_eight_bits(values: np.ndarray, black: float, white: float) -> np.ndarray:
    """`values`, (height, width), scaled to uint8, 0 at `black` and below, 255 at `white` and above."""
    shown = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), ROWS_AT_ONCE):
        greys = values[start : start + ROWS_AT_ONCE].astype(np.float32)
        greys -= np.float32(black)
        greys /= np.float32(white - black)
        np.clip(greys, 0, 1, out=greys)
        greys *= 255
        shown[start : start + ROWS_AT_ONCE] = np.rint(greys, out=greys)
    return shown


def greys_of(samples: np.ndarray) -> tuple[np.ndarray, float]:
    """The greys of samples of 16 bits, uint16 (height, width), and how colourful they are, 0 to 1.

    `samples`, uint16, are greys already, or red, green and blue, (height, width, 3), which become luma.
    """
    if samples.ndim == 2:
        return samples, 0.0
    weighted = np.full(samples.shape[:2], 500, np.uint32)
    for channel, weight in enumerate((299, 587, 114)):
        weighted += samples[..., channel].astype(np.uint32) * np.uint32(weight)
    few = samples[:: -(-len(samples) // SAMPLED), :: -(-samples.shape[1] // SAMPLED)]
    spread = (few.max(axis=2) - few.min(axis=2)).mean() / range_in_use(samples)[1]
    return (weighted // 1000).astype(np.uint16), float(spread)
