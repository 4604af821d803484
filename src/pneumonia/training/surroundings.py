"""Films whose lungs lie in the film of someone else.

What is around the lungs (shoulders, letters, collimation, how a film was taken) may tell the classes of a data set
apart, and a network learns it. In a film whose surroundings are someone else's they tell nothing: the mixed backgrounds
of Xiao, Engstrom, Ilyas, Madry, Noise or Signal: The Role of Image Backgrounds in Object Recognition, ICLR 2021. Nor
does the seam, since films of every class have it.
"""

from typing import NamedTuple

import numpy as np

from pneumonia.preparation.packed.lungs import rectangle

JITTER = 0.05
"""By how much each edge of it is moved in training, as a share of the film."""


class Exchange(NamedTuple):
    """Which films of a batch lie in the surroundings of another one, bool (B,), and by how much the edges of the
    rectangle are `moved` in each, float (B, 4), shares of the film.
    """

    chosen: np.ndarray
    moved: np.ndarray


def draw_exchange(rng: np.random.Generator, batch: int, share: float) -> Exchange:
    """About `share` of a batch, at random."""
    return Exchange(rng.random(batch) < share, rng.uniform(-JITTER, JITTER, (batch, 4)))


def exchange_surroundings(images: np.ndarray, others: np.ndarray, exchange: Exchange) -> np.ndarray:
    """`images`, uint8 (B, S, S), the chosen ones with the surroundings of those of `others`, uint8 (B, S, S)."""
    exchanged = np.where(exchange.chosen[:, None, None], others, images)
    for number in np.flatnonzero(exchange.chosen):
        lungs = rectangle(images.shape[1], exchange.moved[number])
        exchanged[number][lungs] = images[number][lungs]
    return exchanged
