"""The ways in which a network may say where opacities are: what its map means, for each model of task `localize`."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from pneumonia.localization import centers, masks

Loss = Callable[[keras.KerasTensor, keras.KerasTensor, keras.KerasTensor], keras.KerasTensor]


@dataclass(frozen=True)
class Head:
    """`targets(boxes, size)` is the map, float32 (s, s, C), that the network learns; `loss(targets, maps, probability)`
    float32 (B,); `decode(map, size)` the candidates, float (K, 5), in pixels, of what it gives.
    """

    targets: Callable[[np.ndarray, int], np.ndarray]
    loss: Loss
    decode: Callable[[np.ndarray, int], np.ndarray]


HEADS = {
    "resnet_seg": Head(masks.targets, masks.loss, masks.decode),
    "centernet": Head(centers.targets, centers.loss, centers.decode),
}
"""By the model's name."""
