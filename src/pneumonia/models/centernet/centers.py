"""Boxes as their centres: a map of heat, highest at the centres, with the distances from each place to a box's edges.

Zhou, Wang, Krähenbühl, Objects as Points, 2019 (CenterNet). The edges are learnt all over the middle of a box, weighted
by the heat, and not at its centre alone: with few films that is much more to learn from (Liu et al.,
Training-Time-Friendly Network for Real-Time Object Detection, AAAI 2020).

A map's channels are heat, left, top, right, bottom, and a sixth: confidence in a prediction, weight in a target.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter

from pneumonia.models.shared.head import Head
from pneumonia.models.shared.lazy_keras import keras, ops

EDGES = slice(1, 5)
STRIDE = 8
"""Pixels from a place of the map to the next."""
CANDIDATES = 50
"""The most boxes read from a film; the challenge's films have four at most."""
LEAST_CONFIDENCE = 0.01
SPREAD = 0.54 / 6
"""The standard deviation of the heat, as a share of a box's width and height (Liu et al., equation 1, alpha 0.54)."""
BOX_WEIGHT, FILM_WEIGHT = 5.0, 1.0
"""Weights of the losses for edges (Liu et al.) and the film's class, beside the loss for the heat."""


def targets(boxes: np.ndarray, size: int) -> np.ndarray:
    """The map, float32 (S / 8, S / 8, 6), of `boxes`, float (K, 4), in a film of `size` pixels.

    The heat is 1 at the place next to a box's centre and falls off as a Gaussian. The edges are distances from the
    middle of the place, in shares of the film's size. The weight is the heat within the middle of the box. Where two
    boxes overlap, the smaller one counts.
    """
    count = -(-size // STRIDE)
    step = size / count
    centres = (np.arange(count) + 0.5) * step
    target = np.zeros((count, count, 6), "float32")
    for x, y, width, height in boxes[np.argsort(-boxes[:, 2] * boxes[:, 3], kind="stable")]:
        column, row = (np.clip(int(place / step), 0, count - 1) for place in (x + width / 2, y + height / 2))
        spread_x, spread_y = max(width * SPREAD, step / 3), max(height * SPREAD, step / 3)
        fall_x = (centres - centres[column]) ** 2 / (2 * spread_x**2)
        fall_y = (centres - centres[row]) ** 2 / (2 * spread_y**2)
        heat = np.exp(-fall_x[None, :] - fall_y[:, None])
        heat[heat < 0.01] = 0
        np.maximum(target[..., 0], heat, out=target[..., 0])
        to_left, to_top = np.meshgrid(centres - x, centres - y)
        edges = np.stack([to_left, to_top, width - to_left, height - to_top], axis=-1) / size
        mine = (heat > 0) & (edges >= 0).all(axis=-1)  # may be none for a box narrower than a place
        target[mine, EDGES] = edges[mine]
        target[mine, 5] = heat[mine]
    return target


def loss(target: keras.KerasTensor, predicted: keras.KerasTensor, probability: keras.KerasTensor) -> keras.KerasTensor:
    """The loss of each film, float32 (B,), from maps (B, s, s, 6) and the film's `probability`, (B, 1).

    It adds the heat's focal loss (Zhou et al., equation 1), the generalised IoU loss of the boxes (Rezatofighi et al.,
    CVPR 2019), and the film's cross-entropy.
    """
    epsilon = keras.config.epsilon()
    heat, wanted = ops.clip(predicted[..., 0], epsilon, 1 - epsilon), target[..., 0]
    is_centre = ops.cast(wanted >= 1, "float32")
    at_centres = is_centre * (1 - heat) ** 2 * ops.log(heat)
    elsewhere = (1 - is_centre) * (1 - wanted) ** 4 * heat**2 * ops.log(1 - heat)
    focal = -ops.sum(at_centres + elsewhere, axis=(1, 2)) / ops.maximum(ops.sum(is_centre, axis=(1, 2)), 1)
    weight = target[..., 5]
    apart = ops.sum(weight * (1 - _generalised_iou(target[..., EDGES], predicted[..., EDGES])), axis=(1, 2))
    boxes = apart / ops.maximum(ops.sum(weight, axis=(1, 2)), epsilon)
    film = keras.losses.binary_crossentropy(ops.max(wanted, axis=(1, 2))[:, None] >= 1, probability)
    return focal + BOX_WEIGHT * boxes + FILM_WEIGHT * film


def decode(predicted: np.ndarray, size: int) -> np.ndarray:
    """The boxes, float (K, 5), at the heat's peaks in a map, float32 (s, s, 6), the most confident first."""
    heat, confidence = predicted[..., 0], predicted[..., 5]
    is_peak = (heat == maximum_filter(heat, 3, mode="nearest")) & (confidence >= LEAST_CONFIDENCE)
    rows, columns = np.nonzero(is_peak)
    best = np.argsort(-confidence[rows, columns], kind="stable")[:CANDIDATES]
    rows, columns = rows[best], columns[best]
    left, top, right, bottom = size * predicted[rows, columns, EDGES].T.astype(float)
    x, y = ((places + 0.5) * size / len(heat) for places in (columns, rows))
    boxes = np.stack([x - left, y - top, left + right, top + bottom, confidence[rows, columns]], axis=1)
    return _within_film(boxes, size)


def _generalised_iou(edges: keras.KerasTensor, others: keras.KerasTensor) -> keras.KerasTensor:
    """The generalised IoU, (…,), of two boxes around a place, by the distances (…, 4) to left, top, right, bottom."""
    area, other_area = ((each[..., 0] + each[..., 2]) * (each[..., 1] + each[..., 3]) for each in (edges, others))
    least, most = ops.minimum(edges, others), ops.maximum(edges, others)
    intersection = (least[..., 0] + least[..., 2]) * (least[..., 1] + least[..., 3])
    around = (most[..., 0] + most[..., 2]) * (most[..., 1] + most[..., 3])
    union = area + other_area - intersection
    epsilon = keras.config.epsilon()
    return intersection / ops.maximum(union, epsilon) - (around - union) / ops.maximum(around, epsilon)


def _within_film(boxes: np.ndarray, size: int) -> np.ndarray:
    low = np.clip(boxes[:, :2], 0, size)
    high = np.clip(boxes[:, :2] + boxes[:, 2:4], 0, size)
    return np.concatenate([low, high - low, boxes[:, 4:]], axis=1)


HEAD = Head(targets, loss, decode)
