"""Boxes as a mask: each pixel's probability of opacity, and the boxes around its connected components."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from pneumonia.annotations.boxes import paint
from pneumonia.models.shared.head import Head
from pneumonia.models.shared.lazy_keras import keras, ops

MASK_THRESHOLD = 0.5
"""The least probability of a pixel that belongs to a component."""
LEAST_AREA = 0.002
"""The least area of a component, as a share of the film: the smallest of 270 boxes of the challenge has 0.0057."""


def targets(boxes: np.ndarray, size: int) -> np.ndarray:
    """The mask, float32 (S, S, 1), of `boxes`, float (K, 4), in a film of `size` pixels."""
    return paint(boxes, size)[..., None].astype("float32")


def loss(target: keras.KerasTensor, predicted: keras.KerasTensor, probability: keras.KerasTensor) -> keras.KerasTensor:
    """Half the cross-entropy of the pixels and half the soft intersection over union, less than 1: float32 (B,).

    The masks `target` and `predicted` are float32 (B, S, S, 1); the film's `probability` is the mask's maximum, and
    learns with it. The 1 in the ratio makes an empty prediction of an empty mask perfect (Rahman, Wang, Optimizing
    Intersection-Over-Union in Deep Neural Networks for Image Segmentation, ISVC 2016, equations 3 to 5).
    """
    intersection = ops.sum(target * predicted, axis=(1, 2, 3))
    union = ops.sum(target + predicted, axis=(1, 2, 3)) - intersection
    p = ops.clip(predicted, keras.config.epsilon(), 1 - keras.config.epsilon())
    cross_entropy = -ops.mean(target * ops.log(p) + (1 - target) * ops.log(1 - p), axis=(1, 2, 3))
    return 0.5 * cross_entropy + 0.5 * (1 - (intersection + 1) / (union + 1))


def decode(mask: np.ndarray, size: int) -> np.ndarray:
    """A box around each component of a `mask`, float32 (S, S, 1), of at least `LEAST_AREA`: float (K, 5).

    The confidence is the component's mean probability.
    """
    pixels = mask[..., 0]
    components, _ = ndimage.label(pixels >= MASK_THRESHOLD, structure=np.ones((3, 3)))
    boxes = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(components), start=1):
        inside = components[rows, columns] == number
        if inside.sum() >= LEAST_AREA * size**2:
            width, height = columns.stop - columns.start, rows.stop - rows.start
            boxes.append([columns.start, rows.start, width, height, pixels[rows, columns][inside].mean()])
    return np.array(boxes, float).reshape(-1, 5)


HEAD = Head(targets, loss, decode)
