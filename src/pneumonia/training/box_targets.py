"""What a localiser learns from: the boxes of the packed films, moved with each film's random pose."""

import numpy as np

from pneumonia.annotations.boxes import follow
from pneumonia.models.shared.head import Head


class BoxTargets:
    """The maps that `head` learns from `boxes`, float (K, 4) for each of the packed films of `size` pixels."""

    def __init__(self, boxes: list[np.ndarray], head: Head, size: int) -> None:
        self.boxes, self.head, self.size = boxes, head, size

    def __call__(self, rows: np.ndarray, poses: np.ndarray | None = None) -> np.ndarray:
        """Maps, float32 (B, s, s, C), for films `rows`, int (B,), in their `poses`, float32 (B, 8), or as they are."""
        boxes = [self.boxes[row] for row in rows]
        if poses is not None:
            boxes = [_in_pose(each, pose, self.size) for each, pose in zip(boxes, poses, strict=True)]
        return np.stack([self.head.targets(each, self.size) for each in boxes])


def _in_pose(boxes: np.ndarray, pose: np.ndarray, size: int) -> np.ndarray:
    moved, remains = follow(boxes, pose, size)
    return moved[remains]
