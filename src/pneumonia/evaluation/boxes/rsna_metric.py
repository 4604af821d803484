"""The metric of the RSNA Pneumonia Detection Challenge 2018 (its page on Kaggle, Evaluation).

At each of eight IoU thresholds a film's precision is TP / (TP + FP + FN). A film's score is their mean, and the metric
the mean score. A film without true boxes scores 0 where anything is predicted, and is left out where nothing is.
"""

from collections.abc import Sequence

import numpy as np

from pneumonia.annotations.boxes import by_confidence, iou

IOU_THRESHOLDS = np.arange(40, 80, 5) / 100
"""0.40, 0.45 … 0.75: an overlap must be greater than that."""


def mean_average_precision(
    truths: Sequence[np.ndarray], predictions: Sequence[np.ndarray], weights: np.ndarray | None = None
) -> float:
    """The metric of the detections `predictions`, float (K, 5) each, on films with the boxes `truths`, (T, 4) each.

    `weights`, float (N,), is how much each film counts; without it all count alike. NaN where no film counts.
    """
    scores = [film_score(truth, predicted) for truth, predicted in zip(truths, predictions, strict=True)]
    return float(mean_of_scored(np.array(scores), np.ones(len(scores)) if weights is None else weights))


def film_score(truth: np.ndarray, predicted: np.ndarray) -> float:
    """The score of a film with the boxes `truth`, float (T, 4), and `predicted`, (K, 5); NaN where it is left out."""
    return float(scores_by_count(truth, by_confidence(predicted))[-1])


def scores_by_count(truth: np.ndarray, ranked: np.ndarray) -> np.ndarray:
    """A film's scores, float (K + 1,), if it shows the first 0, 1 … K of the detections `ranked`, float (K, 5).

    `ranked` is in the order of confidence. What a detection hits does not depend on those that follow, so one pass
    scores the film at every threshold of the confidence. NaN where the film is left out.
    """
    shown = np.arange(len(ranked) + 1)
    if not len(truth):
        return np.where(shown > 0, 0.0, np.nan)
    overlaps = iou(ranked, truth)
    hit = np.stack([hits(overlaps, threshold) for threshold in IOU_THRESHOLDS])
    found = np.pad(np.cumsum(hit, axis=1), ((0, 0), (1, 0)))
    # TP + FP are those shown, and TP + FN the true boxes.
    precision: np.ndarray = found / (shown + len(truth) - found)
    return precision.mean(axis=0)


def hits(overlaps: np.ndarray, threshold: float) -> np.ndarray:
    """Which detections are true positives, bool (K,), by their IoU `overlaps`, float (K, T), with the true boxes.

    Each detection in turn takes the free true box that it overlaps most, if that overlap is greater than `threshold`.
    """
    hit = np.zeros(len(overlaps), bool)
    free = overlaps.copy()
    for detection in np.flatnonzero((overlaps > threshold).any(axis=1)):
        best = free[detection].argmax()
        hit[detection] = free[detection, best] > threshold
        if hit[detection]:
            free[:, best] = 0
    return hit


def mean_of_scored(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The means, (…,) or (…, M), of `scores`, float (N,) or (N, M), over the films that have a score.

    `weights`, float (…, N), says how much each film counts. NaN where no film has a score.
    """
    scored = ~np.isnan(scores)
    with np.errstate(divide="ignore", invalid="ignore"):
        means: np.ndarray = weights @ np.where(scored, scores, 0) / (weights @ scored)
    return means
