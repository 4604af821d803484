"""What a localiser's map means: where opacities are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pneumonia.models.shared.lazy_keras import keras
from pneumonia.params.choices import network


@dataclass(frozen=True)
class Head:
    """How a map is learnt and read; boxes are in pixels of films with `size` pixels a side."""

    targets: Callable[[np.ndarray, int], np.ndarray]
    """`targets(boxes, size)`: the map to learn, float32 (s, s, C), for boxes, float (K, 4)."""
    loss: Callable[[keras.KerasTensor, keras.KerasTensor, keras.KerasTensor], keras.KerasTensor]
    """`loss(targets, maps, probability)`: the loss of each film, float32 (B,)."""
    decode: Callable[[np.ndarray, int], np.ndarray]
    """`decode(map, size)`: the candidate boxes with their confidence, float (K, 5)."""


def head_of(localiser: str) -> Head:
    """The head of the localiser with this name."""
    head: Head = network(localiser).HEAD
    return head


def find_head(model: str) -> Head | None:
    """The head of the network with this name, or None where it is no localiser."""
    head: Head | None = getattr(network(model), "HEAD", None)
    return head
