"""How sure a figure is: the percentile bootstrap (Efron, Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13).

What is drawn, with replacement, are patients, with all of their films (a cluster bootstrap: Field, Welsh, Bootstrapping
clustered data, 2007), since films of one patient are alike; where each film is a group of its own it is films. A draw
is how often each film counts, so the figures of all draws are weighted figures, computed at once.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pneumonia.inference.probabilities import share_of_last

CHUNK = 250
"""Draws at once: with 2,000 films they take 4 MB an array."""
INTERVAL = (0.025, 0.975)

Figures = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Calls:
    """What a run says of films: the probability of pneumonia, float (N,), and which are called so, bool (N,)."""

    probability: np.ndarray
    called: np.ndarray


def intervals(
    truth: np.ndarray, probability: np.ndarray, called: np.ndarray, groups: np.ndarray, draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Binary figures with their 95 % intervals, a row each: `value`, `low`, `high`.

    `truth`, int (N,) of 0 and 1, is which films show pneumonia, `probability`, float (N,), and `called`, (N,) of 0 and
    1, what is said of them; films of the same of `groups`, str (N,), are drawn together. Draws in which a figure has no
    denominator are left out of its interval. Where all is right in every draw, or nothing, which says little of how
    sure that is, the other end is that of Clopper and Pearson (1934) for as many as the rarest class has patients.
    """

    calls = Calls(probability, called)
    return with_intervals(lambda weights: binary_figures(truth, calls, weights), groups, truth, draws, seed)


def multiclass_intervals(
    truth: np.ndarray,
    probabilities: np.ndarray,
    called: np.ndarray,
    groups: np.ndarray,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """As `intervals`, of several classes: `accuracy`, and `roc_auc`, the mean of each class' AUC against the rest.

    `truth` and `called`, int (N,), are class numbers, `probabilities` is float (N, C).
    """

    return with_intervals(
        lambda weights: class_figures(truth, probabilities, called, weights), groups, truth, draws, seed
    )


def kinds_intervals(
    truth: np.ndarray, probabilities: np.ndarray, groups: np.ndarray, draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """As `intervals`, of the last two classes against each other: see `kinds_figures`."""
    return with_intervals(lambda weights: kinds_figures(truth, probabilities, weights), groups, truth, draws, seed)


def with_intervals(
    figures: Callable[[np.ndarray], Figures], groups: np.ndarray, truth: np.ndarray, draws: int, seed: int
) -> pd.DataFrame:
    """Any `figures`, (D,) each where film n counts `weights[d, n]` times, as `intervals` gives them.

    `truth`, int (N,), is the class of each film, by which the rarest one is found.
    """
    values = figures(np.ones((1, len(groups))))
    drawn = [figures(weights) for weights in _draw(groups, draws, seed)]
    fewest = min(len(set(groups[truth == kind])) for kind in set(truth))
    rows = {}
    for name, [value] in values.items():
        low, high = _percentiles([each[name] for each in drawn])
        if value == low == high == 1:
            low = 0.025 ** (1 / fewest)
        elif value == low == high == 0:
            high = 1 - 0.025 ** (1 / fewest)
        rows[name] = {"value": value, "low": low, "high": high}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("figure")


def paired_difference(
    first: Callable[[np.ndarray], Figures],
    second: Callable[[np.ndarray], Figures],
    groups: np.ndarray,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Two runs on the same films, drawn alike for both, a row a figure.

    `first` and `second` give the figures of each, (D,), where film n counts `weights[d, n]` times, float (D, N). Its
    columns: the figure of the `first` and of the `second`, the `difference` of the second from the first, its 95 %
    interval from `low` to `high`, and what that `means`, in words.
    """
    once = np.ones((1, len(groups)))
    one, other = first(once), second(once)
    pairs = ((first(weights), second(weights)) for weights in _draw(groups, draws, seed))
    drawn = [{name: theirs[name] - ours[name] for name in ours} for ours, theirs in pairs]
    rows = {}
    for name in one:
        low, high = _percentiles([each[name] for each in drawn])
        figures = {"first": one[name][0], "second": other[name][0], "difference": other[name][0] - one[name][0]}
        rows[name] = {**figures, "low": low, "high": high}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("figure")
    verdicts = ["the second is better", "the first is better", "no difference that these films can show"]
    table["means"] = np.select([table["low"] > 0, table["high"] < 0], verdicts[:2], verdicts[2])
    return table


def binary_figures(truth: np.ndarray, calls: Calls, weights: np.ndarray) -> Figures:
    """The figures of `calls`, (D,) each, where film n counts `weights[d, n]` times, float (D, N).

    NaN where there is no denominator.
    """
    sick, called = np.asarray(truth, float), np.asarray(calls.called, float)
    true_positives, called_sick = weights @ (sick * called), weights @ called
    positives, films = weights @ sick, weights.sum(axis=1)
    true_negatives = films - called_sick - positives + true_positives
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "roc_auc": roc_auc(truth, calls.probability, weights),
            "pr_auc": average_precision(truth, calls.probability, weights),
            "accuracy": (true_positives + true_negatives) / films,
            "sensitivity": true_positives / positives,
            "specificity": true_negatives / (films - positives),
            "precision": true_positives / called_sick,
            "f1": 2 * true_positives / (called_sick + positives),
        }


def class_figures(truth: np.ndarray, probabilities: np.ndarray, called: np.ndarray, weights: np.ndarray) -> Figures:
    """The figures of `multiclass_intervals`, (D,) each, where film n counts `weights[d, n]` times, float (D, N)."""
    each = [roc_auc(truth == number, column, weights) for number, column in enumerate(probabilities.T)]
    return {"roc_auc": np.mean(each, axis=0), "accuracy": weights @ (truth == called) / weights.sum(axis=1)}


def kinds_figures(truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> Figures:
    """The `roc_auc`, (D,), of the last class against the one before it, among the films of these two."""
    last = probabilities.shape[1] - 1
    kinds = truth >= last - 1
    return {"roc_auc": roc_auc(truth[kinds] == last, share_of_last(probabilities[kinds]), weights[:, kinds])}


def roc_auc(truth: np.ndarray, probability: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The area under the ROC curve, (D,): the share of pairs ranked right, a tie counting half."""
    sick, well = _by_probability(truth, probability, weights)
    below = np.cumsum(well, axis=1) - well / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return (sick * below).sum(axis=1) / (sick.sum(axis=1) * well.sum(axis=1))


def average_precision(truth: np.ndarray, probability: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean over the sick films of the precision where they are called, (D,), as scikit-learn has it."""
    sick, well = (each[:, ::-1] for each in _by_probability(truth, probability, weights))
    found = np.cumsum(sick, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = found / (found + np.cumsum(well, axis=1))
        return np.where(sick > 0, sick * precision, 0).sum(axis=1) / sick.sum(axis=1)


def _by_probability(truth: np.ndarray, probability: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many sick and how many other films have each of the U probabilities, from low to high: (D, U) each."""
    order = np.argsort(probability, kind="stable")
    firsts = np.flatnonzero(np.diff(probability[order], prepend=-np.inf))
    sorted_weights, sick = weights[:, order], np.asarray(truth, float)[order]
    counted = (np.add.reduceat(sorted_weights * of_kind, firsts, axis=1) for of_kind in (sick, 1 - sick))
    return tuple(counted)  # type: ignore[return-value]


def _percentiles(drawn: list[np.ndarray]) -> tuple[float, float]:
    """The ends of the interval, of the draws in which the figure has a denominator."""
    values = np.concatenate(drawn)
    defined = values[~np.isnan(values)]
    low, high = np.quantile(defined, INTERVAL) if len(defined) else (np.nan, np.nan)
    return float(low), float(high)


def _draw(groups: np.ndarray, draws: int, seed: int) -> Iterator[np.ndarray]:
    """How often each film counts in each draw, float (D, N), some draws at a time."""
    rng = np.random.default_rng(seed)
    names, group_of_film = np.unique(groups, return_inverse=True)
    for start in range(0, draws, CHUNK):
        counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=min(CHUNK, draws - start))
        yield counts[:, group_of_film].astype(float)
