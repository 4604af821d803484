"""Where the lungs are in a packed frontal film."""

import numpy as np

LUNGS = (0.15, 0.90, 0.10, 0.90)
"""Top, bottom, left and right of the rectangle that is taken for the lungs, as shares of the film.

Frontal films are cut closely, so in almost all of them both lungs lie within. A rectangle needs no segmentation, which
would have to be trusted itself. Shoulders, abdomen and the sides of the chest remain outside."""


def rectangle(size: int, moved: np.ndarray | float = 0.0) -> tuple[slice, slice]:
    """The rows and columns of the lungs in a film of `size` × `size` pixels, each edge `moved` by a share of it."""
    top, bottom, left, right = np.rint((np.array(LUNGS) + moved) * size).astype(int)
    return slice(top, bottom), slice(left, right)
