"""From a localiser's candidates to the boxes that are shown."""

from dataclasses import dataclass

import numpy as np

from pneumonia.annotations.boxes import by_confidence, iou


@dataclass(frozen=True)
class Postprocessing:
    """How candidates become boxes: see `apply`."""

    threshold: float
    """Candidates with a confidence below this are dropped."""
    nms_iou: float
    """A candidate is dropped if its IoU with a kept, more confident one is greater than this."""
    shrink: float
    """The share of its width and height that a box keeps, about its centre: annotators agree least on the edges. The
    challenge's second place shrank its boxes too (Poplavskiy, github.com/pdima/kaggle_RSNA_Pneumonia_Detection)."""

    def apply(self, candidates: np.ndarray) -> np.ndarray:
        """The detections, float (K', 5), that remain of `candidates`, float (K, 5), the most confident first.

        Equally confident ones keep the order given. A threshold only cuts off the end: the detections at any threshold
        are the first so many of those at threshold 0.
        """
        return self._shrunk(_suppress(by_confidence(candidates[candidates[:, 4] >= self.threshold]), self.nms_iou))

    def _shrunk(self, detections: np.ndarray) -> np.ndarray:
        position, size, confidence = np.split(detections, [2, 4], axis=1)
        return np.concatenate([position + size * (1 - self.shrink) / 2, size * self.shrink, confidence], axis=1)


def _suppress(ranked: np.ndarray, nms_iou: float) -> np.ndarray:
    """The rows that greedy non-maximum suppression keeps of `ranked`, float (K, 5), the most confident first."""
    overlaps = iou(ranked, ranked)
    kept = np.ones(len(ranked), bool)
    for number in range(len(ranked)):
        if kept[number]:
            kept[number + 1 :] &= overlaps[number, number + 1 :] <= nms_iou
    return ranked[kept]
