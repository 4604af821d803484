"""What a detector must beat: the same average boxes wherever a classifier says opacity.

They know nothing of where, so their mean average precision is what telling which films are sick is worth by itself. One
box over both lungs lies between them and overlaps no true one enough, so one in each lung is the baseline that is hard
to beat. Candidates are tuned as a detector's: `tune(candidates, truths, nms_ious=[1], shrinks=[1], weights=weights)`.
"""

from collections.abc import Sequence

import numpy as np


def average_box(truths: Sequence[np.ndarray]) -> np.ndarray:
    """The mean x, y, width and height, float (1, 4), of all boxes of the training films, float (T, 4) each."""
    return np.concatenate(truths).mean(axis=0, keepdims=True)


def average_box_of_each_lung(truths: Sequence[np.ndarray], size: int) -> np.ndarray:
    """The mean of the boxes with their centre in the left half of films `size` pixels wide, and of the others.

    Float (2, 4), or (1, 4) where all lie on one side.
    """
    boxes = np.concatenate(truths)
    left = boxes[:, 0] + boxes[:, 2] / 2 < size / 2
    return np.stack([boxes[side].mean(axis=0) for side in (left, ~left) if side.any()])


def baseline_candidates(boxes: np.ndarray, probability: np.ndarray) -> list[np.ndarray]:
    """The `boxes`, float (B, 4), on each film, float (B, 5), as confident as its `probability`, of float (N,), is."""
    return [np.column_stack([boxes, np.full(len(boxes), confidence)]) for confidence in probability]
