"""Probabilities that mean what they say: temperature scaling, and how far off they are."""

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest

from pneumonia.inference.probabilities import SMALLEST, scale

TEMPERATURES = (0.5, 10.0)
"""The bounds of a fitted temperature. If all validation films are told apart, the best fit is 0: certainty. A few films
told apart by luck do not justify being more than twice as sure as the network."""
BINS = 10


def fit_temperature(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """The temperature within `TEMPERATURES` at which the scaled `probabilities`, float (N, C), have the least log loss.

    `truth` is int (N,), class numbers.
    """

    def log_loss(log_temperature: float) -> float:
        of_truth = scale(probabilities, math.exp(log_temperature))[np.arange(len(truth)), truth]
        return float(-np.log(np.maximum(of_truth, SMALLEST)).mean())

    bounds = tuple(map(math.log, TEMPERATURES))
    return math.exp(minimize_scalar(log_loss, bounds=bounds, method="bounded").x)


def brier_score(sick: np.ndarray, probability: np.ndarray) -> float:
    """The mean squared difference between `probability`, float (N,), and `sick`, (N,) of 0 and 1 (Brier 1950)."""
    return float(np.mean((probability - sick) ** 2))


def expected_calibration_error(sick: np.ndarray, probability: np.ndarray) -> float:
    """The gap in a bin between the mean probability and the share that is sick, averaged over the films.

    The bins are those of `reliability_table`, of equal width (Naeini et al. 2015; Guo et al. 2017, equation 3), here in
    the probability of pneumonia. Even where the probabilities are right, few films give an error above 0: 0.03 to 0.04
    with 200 to 300.
    """
    return _mean_gap(reliability_table(sick, probability))


def reliability_table(sick: np.ndarray, probability: np.ndarray) -> pd.DataFrame:
    """A row for each of ten bins of equal width in the `probability` of pneumonia, float (N,); empty bins are left out.

    Columns: how many `films`, their mean `probability`, the `share` that is `sick`, (N,) of 0 and 1, and its 95 %
    interval from `low` to `high` (Wilson 1927).
    """
    films = pd.DataFrame({"probability": probability, "sick": np.asarray(sick, int)})
    films["bin"] = np.minimum((films["probability"] * BINS).astype(int), BINS - 1)
    rows = []
    for _, members in films.groupby("bin"):
        share = binomtest(int(members["sick"].sum()), len(members))
        interval = share.proportion_ci(method="wilson")
        rows.append((len(members), members["probability"].mean(), share.statistic, interval.low, interval.high))
    return pd.DataFrame(rows, columns=["films", "probability", "share", "low", "high"])


def _mean_gap(table: pd.DataFrame) -> float:
    return float(np.average((table["probability"] - table["share"]).abs(), weights=table["films"]))


def plot_reliability(tables: dict[str, pd.DataFrame]) -> Figure:
    """A reliability diagram for each of `tables`, as `reliability_table` gives them, by name."""
    figure = Figure(figsize=(4.6 * len(tables), 4.4), layout="constrained")
    for axes, (name, table) in zip(figure.subplots(1, len(tables), squeeze=False)[0], tables.items(), strict=True):
        error = _mean_gap(table)
        axes.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=0.8)
        spread = np.abs(table[["low", "high"]].to_numpy().T - table["share"].to_numpy())
        axes.errorbar(table["probability"], table["share"], yerr=spread, color="#9ecae1", fmt="none")
        axes.scatter(table["probability"], table["share"], s=8 + 0.8 * table["films"], color="#0072b2", zorder=3)
        axes.set(title=f"{name}: calibration error {error:.3f}", xlabel="probability of pneumonia", xlim=(0, 1))
        axes.set(ylabel="share that has it", ylim=(-0.02, 1.02))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.2)
    return figure
