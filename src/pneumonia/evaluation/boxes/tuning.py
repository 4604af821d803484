"""The choice, on validation films, of how a localiser's candidates become boxes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pneumonia.annotations.boxes import film_confidence
from pneumonia.evaluation.boxes.rsna_metric import mean_of_scored, scores_by_count
from pneumonia.inference.postprocessing import Postprocessing

LEVELS = np.linspace(0.025, 0.975, 39)
"""Each threshold that is tried leaves one of these shares of the validation films without a box."""


def tune(
    candidates: Sequence[np.ndarray],
    truths: Sequence[np.ndarray],
    nms_ious: Sequence[float],
    shrinks: Sequence[float],
    weights: np.ndarray,
) -> tuple[Postprocessing, pd.DataFrame]:
    """The postprocessing with the greatest mean average precision on validation films, and the grid that was tried.

    The grid has a row a trial: `nms_iou`, `shrink`, `threshold`, `score`. Each film has `candidates`, float (K, 5),
    and `truths`, float (T, 4), of which one or more are not empty. `weights`, float (N,), says how much it counts (see
    `prevalence_weights`). All `nms_ious` and `shrinks` are tried. Thresholds are the quantiles `LEVELS` of the films'
    highest confidences, to suit any scale of these. Ties go to the highest threshold, then to the first tried.
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
    """How much each film counts, float (N,): those with boxes weigh `prevalence` together, the others the rest.

    The metric leaves out films without boxes until something is predicted on them, so the best threshold depends on how
    many there are. If tuned on as many films of each class, it shows too much where opacities are rarer.
    """
    sick = np.array([len(truth) > 0 for truth in truths])
    return np.where(sick, prevalence / max(sick.sum(), 1), (1 - prevalence) / max((~sick).sum(), 1))


def _scores_at(thresholds: np.ndarray, ranked: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> np.ndarray:
    """The films' scores, float (N, M), at M thresholds."""
    scores = []
    for truth, detections in zip(truths, ranked, strict=True):
        shown = np.searchsorted(-detections[:, 4], -thresholds, side="right")
        scores.append(scores_by_count(truth, detections)[shown])
    return np.stack(scores)
