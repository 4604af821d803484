"""Where the lungs are in a frontal film, and films whose lungs lie in the film of someone else.

What is around the lungs (shoulders, letters, collimation, how a film was taken) may tell the classes of a data set
apart, and a network learns it. Exchanged surroundings tell nothing any more: the mixed backgrounds of Xiao, Engstrom,
Ilyas, Madry, Noise or Signal: The Role of Image Backgrounds in Object Recognition, ICLR 2021. Nor does the seam, since
films of every class have it.
"""

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


def exchange_surroundings(rng: np.random.Generator, images: np.ndarray, share: float) -> np.ndarray:
    """Films, uint8 (B, S, S), about `share` of which have their lungs in another film of the batch, at random."""
    exchanged, others = images.copy(), rng.permutation(len(images))
    for number in np.flatnonzero(rng.random(len(images)) < share):
        lungs = rectangle(images.shape[1], rng.uniform(-JITTER, JITTER, 4))
        exchanged[number] = images[others[number]]
        exchanged[number][lungs] = images[number][lungs]
    return exchanged
