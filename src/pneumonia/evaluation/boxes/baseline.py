"""What a detector must beat: the same average boxes on every film that a classifier predicts to show an opacity.

Average boxes ignore where the opacity is, so their mean average precision is what telling sick films apart is worth by
itself. One average of all boxes lies between the lungs and overlaps no true box enough, so a box in each lung is harder
to beat. Candidates are tuned as a detector's: `tune(candidates, truths, nms_ious=[1], shrinks=[1], weights=weights)`.
"""

from collections.abc import Sequence

import numpy as np


def average_box(truths: Sequence[np.ndarray]) -> np.ndarray:
    """The mean x, y, width and height, float (1, 4), of all boxes of the training films, float (T, 4) each."""
    return np.concatenate(truths).mean(axis=0, keepdims=True)


def average_box_of_each_lung(truths: Sequence[np.ndarray], size: int) -> np.ndarray:
    """The mean box of the left half of the film and that of the right, float (2, 4); (1, 4) if all lie on one side.

    The side is that of a box's centre, in films `size` pixels wide.
    """
    boxes = np.concatenate(truths)
    left = boxes[:, 0] + boxes[:, 2] / 2 < size / 2
    return np.stack([boxes[side].mean(axis=0) for side in (left, ~left) if side.any()])


def baseline_candidates(boxes: np.ndarray, probability: np.ndarray) -> list[np.ndarray]:
    """Each film's candidates, float (B, 5): `boxes`, float (B, 4), as confident as its `probability`, float (N,)."""
    return [np.column_stack([boxes, np.full(len(boxes), confidence)]) for confidence in probability]
