"""Where the lungs are in a frontal film, and films whose lungs lie in the film of someone else.

What is around the lungs (shoulders, letters, collimation, how a film was taken) may tell the classes of a data set
apart, and a network learns it. In a film whose surroundings are someone else's they tell nothing: the mixed backgrounds
of Xiao, Engstrom, Ilyas, Madry, Noise or Signal: The Role of Image Backgrounds in Object Recognition, ICLR 2021. Nor
does the seam, since films of every class have it.
"""

from typing import NamedTuple

import numpy as np

LUNGS = (0.15, 0.90, 0.10, 0.90)
"""Top, bottom, left and right of the rectangle that is taken for the lungs, as shares of the film.

Frontal films are cut closely, so both lungs of almost all of them lie within; a rectangle needs no segmentation, which
would have to be trusted itself. Shoulders, abdomen and the sides of the chest remain outside."""
JITTER = 0.05
"""By how much each edge of it is moved in training, as a share of the film."""


def rectangle(size: int, moved: np.ndarray | float = 0.0) -> tuple[slice, slice]:
    """The rows and columns of the lungs in a film of `size` × `size` pixels, its four edges `moved` by shares of it."""
    top, bottom, left, right = np.rint((np.array(LUNGS) + moved) * size).astype(int)
    return slice(top, bottom), slice(left, right)


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
