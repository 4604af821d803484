"""Where the lungs are in a frontal film, and films in which they are hidden.

Of a film without lungs a network can only guess by what else it shows: shoulders, letters, how it was taken. Films so
altered, with the same target whatever they are, teach it that this says nothing: outlier exposure (Hendrycks, Mazeika,
Dietterich, Deep Anomaly Detection with Outlier Exposure, ICLR 2019, section 3), with its own films as the outliers.
"""

import numpy as np

LUNGS = (0.15, 0.90, 0.10, 0.90)
"""Top, bottom, left and right of the rectangle that is taken for the lungs, as shares of the film.

Frontal films are cut closely, so both lungs of almost all of them lie within; a rectangle needs no segmentation, which
would have to be trusted itself. Shoulders, abdomen and the sides of the chest remain outside."""
JITTER = 0.05
"""By how much each edge of it is moved in training, as a share of the film, so that none tells."""


def rectangle(size: int, moved: np.ndarray | float = 0.0) -> tuple[slice, slice]:
    """The rows and columns of the lungs in a film of `size` × `size` pixels, its four edges `moved` by shares of it."""
    top, bottom, left, right = np.rint((np.array(LUNGS) + moved) * size).astype(int)
    return slice(top, bottom), slice(left, right)


def hide_lungs(
    rng: np.random.Generator, images: np.ndarray, target: np.ndarray, weight: np.ndarray, share: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A batch in which about `share` of the films have their lungs hidden behind one grey, at random.

    Takes and gives films uint8 (B, S, S), targets float32 (B, C) or (B, 1), and weights float32 (B,). Of a film with
    hidden lungs all classes are equally likely, and it weighs 1.
    """
    images, target, weight = images.copy(), target.copy(), weight.copy()
    for number in np.flatnonzero(rng.random(len(images)) < share):
        moved = rng.uniform(-JITTER, JITTER, 4)
        images[number][rectangle(images.shape[1], moved)] = rng.integers(0, 256)
        target[number], weight[number] = 1 / max(2, target.shape[1]), 1
    return images, target, weight
