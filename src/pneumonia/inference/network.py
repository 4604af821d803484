"""A trained network in use, whatever computes it."""

from typing import Protocol

import numpy as np

Shape = tuple[int, ...]

BATCH = 32
"""The most films in a call."""


class Network(Protocol):
    """Takes films, uint8 or float32 (B, S, S, 1) of greys from 0 to 255, and gives its outputs for each, float32.

    The last output is probabilities: (B, 1) of pneumonia, or (B, C) of the classes. A localiser gives a map
    (B, s, s, C) before them. Any number of threads may call it at once.
    """

    film_shape: Shape
    """Of one film: (S, S, 1)."""
    output_shapes: list[Shape]
    """Of each output, for one film."""

    def __call__(self, films: np.ndarray) -> list[np.ndarray]:
        """The outputs for the `films`, in the order of `output_shapes`."""
        ...
