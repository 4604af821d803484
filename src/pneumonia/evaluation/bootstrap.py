"""How sure a metric is: the percentile bootstrap (Efron, Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13).

Patients are drawn with replacement, each with all of their films, since films of one patient are alike (a cluster
bootstrap: Field, Welsh, Bootstrapping clustered data, 2007). Where each film is a group of its own, films are drawn. A
draw says how often each film counts, so the metrics of all draws are weighted metrics, computed at once.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pneumonia.inference.probabilities import share_of_last

CHUNK = 250
"""Draws at once: with 2,000 films they take 4 MB an array."""
INTERVAL = (0.025, 0.975)

WeightedMetrics = dict[str, np.ndarray]
"""The value of each metric, float (D,), in each of D draws."""


@dataclass(frozen=True, eq=False)
class BinaryPredictions:
    """What is predicted for N films."""

    probability: np.ndarray
    """Of pneumonia, float (N,)."""
    positive: np.ndarray
    """Which films are predicted to show pneumonia, bool (N,)."""


def intervals(
    truth: np.ndarray,
    probability: np.ndarray,
    predicted: np.ndarray,
    groups: np.ndarray,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """The metrics of `weighted_binary_metrics` with their 95 % intervals, a row each: `value`, `low`, `high`.

    `truth`, int (N,) of 0 and 1, says which films show pneumonia, `probability`, float (N,), and `predicted`, (N,) of 0
    and 1, what is predicted for them. Films with the same of `groups`, str (N,), are drawn together. Draws in which a
    metric has no denominator are left out of its interval. Where a metric is 1 in every draw, or 0, percentiles say
    nothing. Then the other end is that of Clopper and Pearson (1934) for as many trials as the rarest class has groups.
    """
    predictions = BinaryPredictions(probability, predicted)
    return with_intervals(
        lambda weights: weighted_binary_metrics(truth, predictions, weights), groups, truth, draws, seed
    )


def multiclass_intervals(
    truth: np.ndarray,
    probabilities: np.ndarray,
    predicted: np.ndarray,
    groups: np.ndarray,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """As `intervals`, for several classes: `accuracy`, and `roc_auc`, the mean of each class' AUC against the rest.

    `truth` and `predicted`, int (N,), are class numbers, `probabilities` is float (N, C).
    """
    return with_intervals(
        lambda weights: weighted_class_metrics(truth, probabilities, predicted, weights), groups, truth, draws, seed
    )


def subtype_intervals(
    truth: np.ndarray, probabilities: np.ndarray, groups: np.ndarray, draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """As `intervals`, for the last two classes against each other: see `weighted_subtype_metrics`."""
    return with_intervals(
        lambda weights: weighted_subtype_metrics(truth, probabilities, weights), groups, truth, draws, seed
    )


def with_intervals(
    metrics: Callable[[np.ndarray], WeightedMetrics], groups: np.ndarray, truth: np.ndarray, draws: int, seed: int
) -> pd.DataFrame:
    """The table of `intervals` for any `metrics(weights)`, where film n counts `weights[d, n]` times, float (D, N).

    `truth`, int (N,), the class of each film, tells which class is the rarest.
    """
    values = metrics(np.ones((1, len(groups))))
    drawn = [metrics(weights) for weights in resample(groups, draws, seed)]
    fewest = min(len(set(groups[truth == each])) for each in set(truth))
    rows = {}
    for name, [value] in values.items():
        low, high = _percentiles([each[name] for each in drawn])
        if value == low == high == 1:
            low = 0.025 ** (1 / fewest)
        elif value == low == high == 0:
            high = 1 - 0.025 ** (1 / fewest)
        rows[name] = {"value": value, "low": low, "high": high}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("metric")


def paired_difference(
    first: Callable[[np.ndarray], WeightedMetrics],
    second: Callable[[np.ndarray], WeightedMetrics],
    groups: np.ndarray,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """The difference between two runs in each metric, a row a metric, on the same draws of the same films.

    Its columns: the value for the `first` and for the `second` run, the `difference` (second less first), its 95 %
    interval from `low` to `high`, and what that `means`, in words. `first(weights)` and `second(weights)` give each
    run's metrics, where film n counts `weights[d, n]` times, float (D, N).
    """
    once = np.ones((1, len(groups)))
    one, other = first(once), second(once)
    pairs = ((first(weights), second(weights)) for weights in resample(groups, draws, seed))
    drawn = [{name: theirs[name] - ours[name] for name in ours} for ours, theirs in pairs]
    rows = {}
    for name in one:
        low, high = _percentiles([each[name] for each in drawn])
        values = {"first": one[name][0], "second": other[name][0], "difference": other[name][0] - one[name][0]}
        rows[name] = {**values, "low": low, "high": high}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("metric")
    verdicts = ["the second is better", "the first is better", "no difference that these films can show"]
    table["means"] = np.select([table["low"] > 0, table["high"] < 0], verdicts[:2], verdicts[2])
    return table


def weighted_binary_metrics(truth: np.ndarray, predictions: BinaryPredictions, weights: np.ndarray) -> WeightedMetrics:
    """The metrics of `predictions`, (D,) each, where film n counts `weights[d, n]` times, float (D, N).

    NaN where there is no denominator.
    """
    sick, positive = np.asarray(truth, float), np.asarray(predictions.positive, float)
    true_positives, all_positive = weights @ (sick * positive), weights @ positive
    all_sick, films = weights @ sick, weights.sum(axis=1)
    true_negatives = films - all_positive - all_sick + true_positives
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "roc_auc": roc_auc(truth, predictions.probability, weights),
            "pr_auc": average_precision(truth, predictions.probability, weights),
            "accuracy": (true_positives + true_negatives) / films,
            "sensitivity": true_positives / all_sick,
            "specificity": true_negatives / (films - all_sick),
            "precision": true_positives / all_positive,
            "f1": 2 * true_positives / (all_positive + all_sick),
        }


def weighted_class_metrics(
    truth: np.ndarray, probabilities: np.ndarray, predicted: np.ndarray, weights: np.ndarray
) -> WeightedMetrics:
    """The metrics of `multiclass_intervals`, (D,) each, where film n counts `weights[d, n]` times, float (D, N)."""
    each = [roc_auc(truth == number, column, weights) for number, column in enumerate(probabilities.T)]
    return {"roc_auc": np.mean(each, axis=0), "accuracy": weights @ (truth == predicted) / weights.sum(axis=1)}


def weighted_subtype_metrics(truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> WeightedMetrics:
    """The `roc_auc`, (D,), of the last class against the one before it, among the films of these two."""
    last = probabilities.shape[1] - 1
    either = truth >= last - 1
    return {"roc_auc": roc_auc(truth[either] == last, share_of_last(probabilities[either]), weights[:, either])}


def roc_auc(truth: np.ndarray, probability: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The area under the ROC curve, (D,): the share of pairs ranked right, a tie counting half."""
    sick, well = _by_probability(truth, probability, weights)
    below = np.cumsum(well, axis=1) - well / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return (sick * below).sum(axis=1) / (sick.sum(axis=1) * well.sum(axis=1))


def average_precision(truth: np.ndarray, probability: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean precision, (D,), at the probabilities of the sick films, as scikit-learn computes it."""
    sick, well = (each[:, ::-1] for each in _by_probability(truth, probability, weights))
    found = np.cumsum(sick, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = found / (found + np.cumsum(well, axis=1))
        return np.where(sick > 0, sick * precision, 0).sum(axis=1) / sick.sum(axis=1)


def _by_probability(truth: np.ndarray, probability: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many sick and how many other films have each of U distinct probabilities, from low to high: (D, U) each."""
    order = np.argsort(probability, kind="stable")
    firsts = np.flatnonzero(np.diff(probability[order], prepend=-np.inf))
    sorted_weights, sick = weights[:, order], np.asarray(truth, float)[order]
    counted = (np.add.reduceat(sorted_weights * of_these, firsts, axis=1) for of_these in (sick, 1 - sick))
    return tuple(counted)  # type: ignore[return-value]


def _percentiles(drawn: list[np.ndarray]) -> tuple[float, float]:
    """The ends of the interval, over the draws in which the metric has a denominator."""
    values = np.concatenate(drawn)
    defined = values[~np.isnan(values)]
    low, high = np.quantile(defined, INTERVAL) if len(defined) else (np.nan, np.nan)
    return float(low), float(high)


def resample(groups: np.ndarray, draws: int, seed: int) -> Iterator[np.ndarray]:
    """How often each film counts in each draw of its groups, float (D, N), some draws at a time."""
    rng = np.random.default_rng(seed)
    names, group_of_film = np.unique(groups, return_inverse=True)
    for start in range(0, draws, CHUNK):
        counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=min(CHUNK, draws - start))
        yield counts[:, group_of_film].astype(float)
