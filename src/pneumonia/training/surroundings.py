"""Films with exchanged surroundings: their lungs are put into someone else's film.

What is around the lungs (shoulders, letters, collimation, how a film was taken) may tell the classes of a data set
apart, and a network learns it. Someone else's surroundings tell nothing about the class: these are the mixed
backgrounds of Xiao, Engstrom, Ilyas, Madry, Noise or Signal: The Role of Image Backgrounds in Object Recognition,
ICLR 2021. Nor does the seam tell anything, since films of every class have it.
"""

from typing import NamedTuple

import numpy as np

from pneumonia.preparation.packed.lungs import rectangle

JITTER = 0.05
"""The most that an edge of the lungs' rectangle is moved, as a share of the film."""


class Exchange(NamedTuple):
    """Which films of a batch are `chosen` to get other surroundings, bool (B,), and how far the edges of each film's
    rectangle of lungs are `moved`, float (B, 4), in shares of the film.
    """

    chosen: np.ndarray
    moved: np.ndarray


def draw_exchange(rng: np.random.Generator, batch: int, share: float) -> Exchange:
    """A random exchange for about `share` of a batch."""
    return Exchange(rng.random(batch) < share, rng.uniform(-JITTER, JITTER, (batch, 4)))


def exchange_surroundings(images: np.ndarray, others: np.ndarray, exchange: Exchange) -> np.ndarray:
    """`images`, with each chosen film in the surroundings of its counterpart in `others`; all uint8 (B, S, S)."""
    exchanged = np.where(exchange.chosen[:, None, None], others, images)
    for number in np.flatnonzero(exchange.chosen):
        lungs = rectangle(images.shape[1], exchange.moved[number])
        exchanged[number][lungs] = images[number][lungs]
    return exchanged
