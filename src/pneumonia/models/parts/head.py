"""How a localiser says where opacities are: what its map means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pneumonia.models.parts.lazy_keras import keras
from pneumonia.params.choices import network


@dataclass(frozen=True)
class Head:
    """What is learnt and read of a map, for boxes in pixels of films of `size` pixels a side."""

    targets: Callable[[np.ndarray, int], np.ndarray]
    """`targets(boxes, size)`: the map, float32 (s, s, C), that is learnt for boxes, float (K, 4)."""
    loss: Callable[[keras.KerasTensor, keras.KerasTensor, keras.KerasTensor], keras.KerasTensor]
    """`loss(targets, maps, probability)`: float32 (B,)."""
    decode: Callable[[np.ndarray, int], np.ndarray]
    """`decode(map, size)`: the candidates, float (K, 5), with their confidence."""


def find_head(model: str) -> Head | None:
    """The head of the network with this name, if it is a localiser."""
    head: Head | None = getattr(network(model), "HEAD", None)
    return head
