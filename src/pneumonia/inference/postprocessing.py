"""From a localiser's candidates to the boxes that are shown."""

from dataclasses import dataclass

import numpy as np

from pneumonia.annotations.boxes import by_confidence, iou


@dataclass(frozen=True)
class Postprocessing:
    """What is done to candidates. See `apply`."""

    threshold: float
    """Less confident candidates are dropped."""
    nms_iou: float
    """A candidate whose IoU with a more confident one that is kept is greater than this is dropped."""
    shrink: float
    """Boxes keep this share of their width and height, about their centre: annotators agree least at the edges. The
    challenge's second place shrank its boxes too (Poplavskiy, github.com/pdima/kaggle_RSNA_Pneumonia_Detection)."""

    def apply(self, candidates: np.ndarray) -> np.ndarray:
        """The detections, float (K', 5), of `candidates`, float (K, 5), the most confident first.

        Of equally confident ones the first given comes first. With a threshold of 0 they are the detections of every
        threshold: each of these shows the first so many of them.
        """
        return self._shrunk(_suppress(by_confidence(candidates[candidates[:, 4] >= self.threshold]), self.nms_iou))

    def _shrunk(self, detections: np.ndarray) -> np.ndarray:
        position, size, confidence = np.split(detections, [2, 4], axis=1)
        return np.concatenate([position + size * (1 - self.shrink) / 2, size * self.shrink, confidence], axis=1)


def _suppress(ranked: np.ndarray, nms_iou: float) -> np.ndarray:
    """Greedy non-maximum suppression of `ranked`, float (K, 5), the most confident first."""
    overlaps = iou(ranked, ranked)
    kept = np.ones(len(ranked), bool)
    for number in range(len(ranked)):
        if kept[number]:
            kept[number + 1 :] &= overlaps[number, number + 1 :] <= nms_iou
    return ranked[kept]
