"""How well boxes are found: the metrics of the field, with intervals by bootstrap over patients.

As in `evaluation.bootstrap`, a draw says how often each film counts, so the metrics of all draws are computed at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_array

from pneumonia.annotations.boxes import by_confidence, film_confidence, iou, paint
from pneumonia.evaluation.bootstrap import WeightedMetrics, paired_difference, roc_auc, with_intervals
from pneumonia.evaluation.boxes.rsna_metric import film_score, hits, mean_of_scored

PLACE = ["x", "y", "width", "height"]
"""The columns of a box in a table, in the order of its array."""
AP_IOU = 0.5
FROC_IOU = 0.2
"""As in the RibFrac challenge (Jin et al., EBioMedicine 2020): a mark counts as soon as it points at the opacity."""
FALSE_POSITIVES = (0.125, 0.25, 0.5, 1, 2)
"""The rates of FROC, a film: the first five of LUNA16's seven (Setio et al., Medical Image Analysis 2017)."""


@dataclass(frozen=True, eq=False)
class Detections:
    """What a detector finds on N films."""

    ranked: Sequence[np.ndarray]
    """The detections of each film, float (K, 5), of any confidence, from `Postprocessing.apply` at threshold 0."""
    threshold: float
    """Detections at least so confident are shown."""

    def shown(self) -> list[np.ndarray]:
        """The detections of each film, float (K, 5), that are shown."""
        return [each[each[:, 4] >= self.threshold] for each in self.ranked]


def localization_metrics(
    truths: Sequence[np.ndarray],
    detections: Detections,
    size: int,
    groups: np.ndarray,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """The metrics of `detections` on films with the boxes `truths`, float (T, 4) each, with their 95 % intervals.

    `size` is the side of the films in pixels; films with the same of `groups`, str (N,), are drawn together. A row a
    metric, with `value`, `low`, `high` (see `bootstrap.intervals`). For the boxes that are shown:

    - `map`: the challenge's metric (see `rsna_metric`);
    - `pixel_accuracy`: the share of pixels on which the painted masks agree, the mean over the films.

    For the detections of any confidence, with true positives as in `rsna_metric.hits`:

    - `ap_50`: the average precision over all films at an IoU above 0.5, the whole area under the precision once it is
      made monotone (all-point interpolation: Everingham et al., The PASCAL VOC challenge: a retrospective, 2015);
    - `froc/R`: the share of true boxes found at an IoU above 0.2 with at most R false positives a film;
    - `roc_auc`: the AUC of films by their highest confidence, 0 without detections.

    A metric without a denominator is NaN.
    """
    return with_intervals(_weighted_metrics(truths, detections, size), groups, _sick(truths), draws, seed)


def localization_difference(
    truths: Sequence[np.ndarray],
    first: Detections,
    second: Detections,
    size: int,
    groups: np.ndarray,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """The difference in those metrics of two detectors on the same films and draws: `bootstrap.paired_difference`."""
    one, other = (_weighted_metrics(truths, each, size) for each in (first, second))
    return paired_difference(one, other, groups, draws, seed)


def _weighted_metrics(
    truths: Sequence[np.ndarray], detections: Detections, size: int
) -> Callable[[np.ndarray], WeightedMetrics]:
    """A function of `weights`, float (D, N), to the metrics, (D,) each, where film n counts `weights[d, n]` times."""
    pairs = list(zip(truths, detections.shown(), strict=True))
    scores = np.array([film_score(truth, shown) for truth, shown in pairs])
    agreement = np.array([(paint(truth, size) == paint(shown, size)).mean() for truth, shown in pairs])
    confidence = np.array([film_confidence(each) for each in detections.ranked])
    precise, pointing = (_Ranking(truths, detections.ranked, threshold) for threshold in (AP_IOU, FROC_IOU))

    def metrics(weights: np.ndarray) -> WeightedMetrics:
        return {
            "map": mean_of_scored(scores, weights),
            "ap_50": precise.average_precision(weights),
            **{f"froc/{rate:g}": pointing.sensitivity(weights, rate) for rate in FALSE_POSITIVES},
            "roc_auc": roc_auc(_sick(truths), confidence, weights),
            "pixel_accuracy": weights @ agreement / weights.sum(axis=1),
        }

    return metrics


def _sick(truths: Sequence[np.ndarray]) -> np.ndarray:
    """Which films have boxes, int (N,) of 0 and 1."""
    return np.array([len(truth) > 0 for truth in truths], int)


class _Ranking:
    """The detections of all films in the order of their confidence, for curves over all films.

    A curve rises only at its H true positives, so no more is kept than the film of each, int (H,), and how many false
    positives of each film rank between it and the one before, sparse (N, H). No threshold can part equal confidences,
    so false positives come first among them: the curve's best point there then counts them all.
    """

    def __init__(self, truths: Sequence[np.ndarray], ranked: Sequence[np.ndarray], threshold: float) -> None:
        ordered = [by_confidence(each) for each in ranked]
        hit = np.concatenate([hits(iou(each, truth), threshold) for each, truth in zip(ordered, truths, strict=True)])
        film = np.repeat(np.arange(len(truths)), [len(each) for each in ordered])
        order = np.lexsort((hit, -np.concatenate(ordered)[:, 4]))
        hit, film = hit[order], film[order]
        before = np.cumsum(hit)
        counted = ~hit & (before < hit.sum())
        places = (film[counted], before[counted])
        self.film = film[hit]
        self.false_positives = coo_array((np.ones(counted.sum()), places), (len(truths), hit.sum())).tocsr()
        self.boxes = np.array([len(truth) for truth in truths])

    def average_precision(self, weights: np.ndarray) -> np.ndarray:
        """The area under the monotone precision-recall curve, (D,)."""
        found = weights[:, self.film]
        true, false = np.cumsum(found, axis=1), np.cumsum(weights @ self.false_positives, axis=1)
        precision = np.divide(true, true + false, out=np.zeros_like(true), where=true > 0)
        best_from_here = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        return self._of_boxes(found * best_from_here, weights)

    def sensitivity(self, weights: np.ndarray, rate: float) -> np.ndarray:
        """The share of true boxes that are found with at most `rate` false positives a film, (D,)."""
        false = np.cumsum(weights @ self.false_positives, axis=1)
        return self._of_boxes(weights[:, self.film] * (false <= rate * weights.sum(axis=1, keepdims=True)), weights)

    def _of_boxes(self, found: np.ndarray, weights: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            share: np.ndarray = found.sum(axis=1) / (weights @ self.boxes)
        return share
