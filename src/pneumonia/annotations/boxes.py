"""Geometry of boxes.

A box is x, y, width, height in pixels, (x, y) its top left corner: it covers the film from the edge x to the edge
x + width. A detection has its confidence, 0 to 1, as the fifth number. In these edge coordinates the pixel of column k
reaches from k to k + 1, and its centre is at k + 0.5.
"""

import numpy as np

LEAST_SHARE = 0.25
"""The share of a box that must stay in the film to be worth learning from: less shows an edge and no opacity."""


def by_confidence(detections: np.ndarray) -> np.ndarray:
    """The `detections`, float (K, 5), the most confident first; equally confident ones keep their order."""
    return detections[np.argsort(-detections[:, 4], kind="stable")]


def film_confidence(detections: np.ndarray) -> float:
    """The confidence that a film shows an opacity: the highest of the `detections`, float (K, 5); 0 without any."""
    return float(detections[:, 4].max(initial=0))


def iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union, float (M, N), of each of `boxes`, float (M, 4 or 5), with each of `others`, (N, 4 or 5).

    It is 0 for boxes without area.
    """
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(_high(boxes)[:, None], _high(others)[None])
    intersection = np.clip(high - low, 0, None).prod(axis=2)
    union = _area(boxes)[:, None] + _area(others)[None] - intersection
    return np.divide(intersection, union, out=np.zeros(union.shape), where=union > 0)


def rescale(boxes: np.ndarray, from_size: tuple[int, int], to_size: tuple[int, int]) -> np.ndarray:
    """The `boxes`, float (K, 4 or 5), of a film stretched from `from_size` to `to_size`, both (height, width)."""
    x_scale, y_scale = to_size[1] / from_size[1], to_size[0] / from_size[0]
    rescaled: np.ndarray = boxes * np.array([x_scale, y_scale, x_scale, y_scale, 1])[: boxes.shape[1]]
    return rescaled


def follow(boxes: np.ndarray, pose: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the `boxes`, float (K, 4), of a film of `size` × `size` pixels lie after it was augmented.

    `pose`, float (8,), is a row of `augmentation.draw_pose_and_tone`: the affine map from places in the augmented film
    to places in the film, with coordinates counted from the centre of the first pixel. So corners go through its
    inverse, shifted by half a pixel. A turned box becomes the upright one around its corners.

    Returns the boxes, float (K, 4), cut at the film's edges, and which remain, bool (K,): those with `LEAST_SHARE` or
    more in the film.
    """
    a0, a1, a2, b0, b1, b2 = np.asarray(pose[:6], float)
    x, y = boxes[:, 0, None] + boxes[:, 2, None] * [0, 1, 0, 1], boxes[:, 1, None] + boxes[:, 3, None] * [0, 0, 1, 1]
    centred = np.stack([x, y], axis=2) - 0.5
    corners = (centred - [a2, b2]) @ np.linalg.inv([[a0, a1], [b0, b1]]).T + 0.5
    around = _from_corners(corners.min(axis=1), corners.max(axis=1))
    inside = _from_corners(*np.clip([corners.min(axis=1), corners.max(axis=1)], 0, size))
    return inside, _area(inside) >= LEAST_SHARE * _area(around)


def paint(boxes: np.ndarray, size: int) -> np.ndarray:
    """The mask of `boxes`, float (K, 4 or 5), bool (size, size): the pixels whose centre lies in any of them."""
    mask = np.zeros((size, size), bool)
    low = np.clip(np.ceil(boxes[:, :2] - 0.5), 0, size).astype(int)
    high = np.clip(np.ceil(_high(boxes) - 0.5), 0, size).astype(int)
    for (left, top), (right, bottom) in zip(low, high, strict=True):
        mask[top:bottom, left:right] = True
    return mask


def _high(boxes: np.ndarray) -> np.ndarray:
    """The bottom right corners, (K, 2)."""
    return boxes[:, :2] + boxes[:, 2:4]


def _area(boxes: np.ndarray) -> np.ndarray:
    area: np.ndarray = boxes[:, 2] * boxes[:, 3]
    return area


def _from_corners(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return np.concatenate([low, high - low], axis=1)
