"""When not to answer: a band of probabilities around the threshold, and what answering fewer films gains."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pneumonia.evaluation.bootstrap import WeightedMetrics, with_intervals
from pneumonia.evaluation.operating_point import Scored

By = Literal["accuracy", "coverage"]
Band = tuple[float, float]
"""The least probability that is uncertain, and the least above it that is not."""

FEWEST = 10
"""Films that a band leaves to be answered: how right fewer are says nothing."""
COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
SHOWN = ("accuracy", "sensitivity", "specificity")
DRAWS = 1000


def choose_band(by: By, wanted: float, films: Scored, threshold: float) -> Band:
    """The band around `threshold`, as wide on either side in log-odds, that is best by what is `wanted`.

    `accuracy`: the narrowest outside of which at least that share of the answers is right; where none is, the one that
    leaves the most accurate answers. `coverage`: the widest outside of which at least that share of the films lies.
    """
    far = _log_odds_from(films.probability, threshold)
    right = (films.probability >= threshold) == films.sick
    levels, order = np.unique(far), np.argsort(far)
    widths = np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2])
    within = np.searchsorted(far[order], widths)
    answered = len(far) - within
    enough = answered >= min(FEWEST, len(far))
    widths, within, answered = widths[enough], within[enough], answered[enough]
    if by == "coverage":
        return _band(threshold, float(widths[answered / len(far) >= wanted - 1e-12].max()))
    accuracy = (right.sum() - np.concatenate([[0], np.cumsum(right[order])])[within]) / answered
    reached = np.flatnonzero(accuracy >= wanted - 1e-12)
    return _band(threshold, float(widths[reached[0] if len(reached) else accuracy.argmax()]))


def is_uncertain(probability: np.ndarray, band: Band, unlike: np.ndarray) -> np.ndarray:
    """Which films are not answered, bool (N,): those within the band, and those `unlike` the training films."""
    low, high = band
    return ((probability >= low) & (probability < high)) | unlike


def answered_rates(films: Scored, threshold: float, uncertain: np.ndarray) -> Callable[[np.ndarray], WeightedMetrics]:
    """The `coverage`, the share of films that are answered, and `SHOWN` among the answers, for weights (D, N)."""
    answered, sick = (~uncertain).astype(float), films.sick.astype(float)
    called = (films.probability >= threshold).astype(float)
    right = sick * called + (1 - sick) * (1 - called)

    def metrics(weights: np.ndarray) -> WeightedMetrics:
        with np.errstate(divide="ignore", invalid="ignore"):
            return {
                "coverage": weights @ answered / weights.sum(axis=1),
                "accuracy": weights @ (answered * right) / (weights @ answered),
                "sensitivity": weights @ (answered * sick * called) / (weights @ (answered * sick)),
                "specificity": weights @ (answered * (1 - sick) * (1 - called)) / (weights @ (answered * (1 - sick))),
            }

    return metrics


def coverage_table(films: Scored, threshold: float, unlike: np.ndarray, chosen: Band | None) -> pd.DataFrame:
    """What answering fewer films gains: a row for each of `COVERAGES`, and one for the `chosen` band with films that
    are `unlike`, bool (N,), the training films not answered either.

    Columns: `answered`, which row it is, the band's ends `from` and `to`, and `coverage` and `SHOWN`, each with the
    ends of its 95 % interval by bootstrap over patients.
    """
    nobody = np.zeros(len(films.sick), bool)
    bands = {f"{share:.0%}": (choose_band("coverage", share, films, threshold), nobody) for share in COVERAGES}
    if chosen:
        bands["as decided"] = (chosen, unlike)
    rows = []
    for name, (band, left_out) in bands.items():
        uncertain = is_uncertain(films.probability, band, left_out)
        rates = answered_rates(films, threshold, uncertain)
        sure = with_intervals(rates, films.patients, films.sick, DRAWS, 0)
        figures = {
            f"{metric}{end}": sure.at[metric, column]
            for metric in ("coverage", *SHOWN)
            for end, column in (("", "value"), ("_low", "low"), ("_high", "high"))
        }
        rows.append({"answered": name, "from": band[0], "to": band[1], **figures})
    return pd.DataFrame(rows)


def plot_coverage(table: pd.DataFrame) -> Figure:
    """A `coverage_table` as curves, with what is decided as points."""
    figure = Figure(figsize=(4.6 * len(SHOWN), 4), layout="constrained")
    curve, decided = table[table["answered"] != "as decided"], table[table["answered"] == "as decided"]
    for axes, metric in zip(figure.subplots(1, len(SHOWN)), SHOWN, strict=True):
        axes.plot(curve["coverage"], curve[metric], color="#0072b2")
        axes.fill_between(
            curve["coverage"], curve[f"{metric}_low"], curve[f"{metric}_high"], color="#9ecae1", alpha=0.5
        )
        axes.scatter(decided["coverage"], decided[metric], color="#d55e00", zorder=3)
        axes.set(title=f"{metric} of the answers", xlabel="share of films that are answered", ylim=(None, 1.01))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.2)
    return figure


def _log_odds_from(probability: np.ndarray, threshold: float) -> np.ndarray:
    """How far each probability, (N,), is from the threshold, in log-odds."""
    # Rounded, so that a film above it and one below it are equally far where they are.
    return np.round(np.abs(_logit(probability) - _logit(np.array(threshold))), 9)


def _band(threshold: float, width: float) -> Band:
    if width == 0:
        return threshold, threshold
    middle = float(_logit(np.array(threshold)))
    return 1 / (1 + float(np.exp(width - middle))), 1 / (1 + float(np.exp(-width - middle)))


def _logit(probability: np.ndarray) -> np.ndarray:
    inside = np.clip(probability, 1e-9, 1 - 1e-9)
    odds: np.ndarray = np.log(inside / (1 - inside))
    return odds
