"""Films as another scanner, file format or crop would have given them, without the lungs, or with the lungs alone.

Each alteration turns a film, uint8 (S, S), into an altered one of that size, the same one every time.
"""

import io
import zlib
from collections.abc import Callable
from functools import partial

import numpy as np
from PIL import Image, ImageFilter

from pneumonia.preparation.packed.lungs import rectangle

BORDER = 0.10
"""The share of the film's side that `only the border` keeps at each edge."""
GREY = 128


def _without_lungs(film: np.ndarray, grey: int) -> np.ndarray:
    altered = film.copy()
    altered[rectangle(len(film))] = grey
    return altered


def _with_lungs_faded(film: np.ndarray) -> np.ndarray:
    hidden = Image.fromarray(_without_lungs(np.zeros_like(film), 255)).filter(ImageFilter.GaussianBlur(len(film) / 25))
    share = np.asarray(hidden) / 255
    return np.rint(film * (1 - share) + GREY * share).astype(np.uint8)


def _only_lungs(film: np.ndarray) -> np.ndarray:
    altered, lungs = np.full_like(film, GREY), rectangle(len(film))
    altered[lungs] = film[lungs]
    return altered


def _only_the_border(film: np.ndarray) -> np.ndarray:
    altered, width = film.copy(), max(1, round(BORDER * len(film)))
    altered[width:-width, width:-width] = 0
    return altered


def _compressed_again(film: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(film).save(buffer, format="JPEG", quality=30)
    return np.asarray(Image.open(buffer))


def _blurred(film: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(film).filter(ImageFilter.GaussianBlur(len(film) / 100)))


def _noisy(film: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(zlib.crc32(film.tobytes())).normal(0, 12, film.shape)
    return np.rint(film + noise).clip(0, 255).astype(np.uint8)


def _exposed(film: np.ndarray, gamma: float) -> np.ndarray:
    return np.rint(255 * (film / 255) ** gamma).astype(np.uint8)


def _flatter(film: np.ndarray) -> np.ndarray:
    return np.rint(0.6 * film + 0.2 * 255).astype(np.uint8)


def _cropped(film: np.ndarray) -> np.ndarray:
    size, cut = len(film), max(1, round(0.08 * len(film)))
    box = (cut, cut, size - cut, size - cut)
    return np.asarray(Image.fromarray(film).resize((size, size), Image.Resampling.BILINEAR, box=box))


Alterations = dict[str, Callable[[np.ndarray], np.ndarray]]

WITHOUT_LUNGS: Alterations = {
    # In black and in grey: so much black sways a network by itself, and may hide what it can still tell.
    "lungs blacked out": partial(_without_lungs, grey=0),
    "lungs greyed out": partial(_without_lungs, grey=GREY),
    # With soft edges: a network may recognise hard ones that it saw in training.
    "lungs faded out": _with_lungs_faded,
    "only the border": _only_the_border,
}
"""Alterations that leave nothing to diagnose by: a score that remains rests on something else."""
STRESSES: Alterations = {
    "compressed again": _compressed_again,  # JPEG quality 30
    "blurred": _blurred,  # Gaussian, a standard deviation of 1/100 of the side
    "noisy": _noisy,  # a standard deviation of 12 grey values
    "darker": partial(_exposed, gamma=1.5),
    "brighter": partial(_exposed, gamma=1 / 1.5),
    "flatter": _flatter,  # 60 % of the contrast
    "cropped": _cropped,  # by 8 % on each side
    "only the lungs": _only_lungs,  # grey around them
}
"""Alterations that keep the diagnosis, so a score should survive; together they stand in for films from elsewhere."""
ALTERATIONS: Alterations = {"as it is": lambda film: film, **WITHOUT_LUNGS, **STRESSES}
