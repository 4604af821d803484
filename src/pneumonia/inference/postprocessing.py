"""From a detector's candidates to the boxes that are shown, and how that is tuned on validation films."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pneumonia.localization.boxes import by_confidence, film_confidence, iou
from pneumonia.localization.score import mean_of_scored, scores_by_count

LEVELS = np.linspace(0.025, 0.975, 39)
"""The shares of the validation films that the thresholds tried leave without a box."""


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


def tune(
    candidates: Sequence[np.ndarray],
    truths: Sequence[np.ndarray],
    nms_ious: Sequence[float],
    shrinks: Sequence[float],
    weights: np.ndarray,
) -> tuple[Postprocessing, pd.DataFrame]:
    """The postprocessing with the greatest mean average precision on validation films.

    `candidates`, float (K, 5) each, and `truths`, float (T, 4) each, one or more not empty, are those of the films, and
    `weights`, float (N,), how much each film counts (see `prevalence_weights`). All of `nms_ious` and `shrinks` are
    tried with thresholds at `LEVELS` of the films' highest confidences, which suit any scale of confidences. Of equally
    good ones the highest threshold is taken, then the first tried. Also returns the grid, a row a trial: `nms_iou`,
    `shrink`, `threshold`, `score`.
    """
    thresholds = np.unique(np.quantile([film_confidence(each) for each in candidates], LEVELS))
    trials = []
    for nms_iou in nms_ious:
        for shrink in shrinks:
            ranked = [Postprocessing(0, nms_iou, shrink).apply(each) for each in candidates]
            scores = mean_of_scored(_scores_at(thresholds, ranked, truths), weights)
            columns = {"nms_iou": nms_iou, "shrink": shrink, "threshold": thresholds, "score": scores}
            trials.append(pd.DataFrame(columns))
    grid = pd.concat(trials, ignore_index=True)
    equally_good = grid[grid["score"] >= grid["score"].max() - 1e-12]
    best = equally_good.loc[equally_good["threshold"].idxmax()]
    return Postprocessing(float(best["threshold"]), float(best["nms_iou"]), float(best["shrink"])), grid


def prevalence_weights(truths: Sequence[np.ndarray], prevalence: float) -> np.ndarray:
    """How much films count, float (N,), so that those with boxes weigh `prevalence` in all, and the others the rest.

    The metric leaves out films without boxes until something is predicted on them, so the best threshold depends on how
    many there are: one tuned on as many films of each class shows too much where opacities are rarer.
    """
    sick = np.array([len(truth) > 0 for truth in truths])
    return np.where(sick, prevalence / max(sick.sum(), 1), (1 - prevalence) / max((~sick).sum(), 1))


def _suppress(ranked: np.ndarray, nms_iou: float) -> np.ndarray:
    """Greedy non-maximum suppression of `ranked`, float (K, 5), the most confident first."""
    overlaps = iou(ranked, ranked)
    kept = np.ones(len(ranked), bool)
    for number in range(len(ranked)):
        if kept[number]:
            kept[number + 1 :] &= overlaps[number, number + 1 :] <= nms_iou
    return ranked[kept]


def _scores_at(thresholds: np.ndarray, ranked: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> np.ndarray:
    """The films' scores, float (N, M), at M thresholds."""
    scores = []
    for truth, detections in zip(truths, ranked, strict=True):
        shown = np.searchsorted(-detections[:, 4], -thresholds, side="right")
        scores.append(scores_by_count(truth, detections)[shown])
    return np.stack(scores)
