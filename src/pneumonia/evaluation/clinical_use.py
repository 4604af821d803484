"""What a model means where pneumonia is rarer or more frequent than among the films that it was tested on.

Sensitivity and specificity are taken to be the same there, which is what an external validation has to show. Films of
each class are drawn by patient (see `bootstrap`), and the prevalence is the one that is asked about, not theirs.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.optimize import brentq
from scipy.special import expit

from pneumonia.evaluation.bootstrap import INTERVAL, resample
from pneumonia.evaluation.operating_point import Scored

THRESHOLDS = np.array([0.01, 0.02, *np.arange(0.05, 0.96, 0.05)])
"""Of the decision curve: from which probability on one would treat."""


def predictive_values(films: Scored, positive: np.ndarray, prevalences: Sequence[float], draws: int) -> pd.DataFrame:
    """By Bayes' rule, at each of `prevalences`, what a prediction is worth where so many are sick.

    `positive`, (N,) of 0 and 1, says which of `films` are predicted to show pneumonia. A row each: `prevalence`,
    `metric` (`ppv`, the share of those predicted sick that are; `npv`, the share of those predicted healthy that are),
    `value`, and its 95 % interval from `low` to `high`. Where no healthy film is called sick, or no sick one healthy,
    draws do not vary: then `low` is the value at Clopper and Pearson's lower end of specificity, or sensitivity.
    """
    sensitivity, specificity = (
        _share_called(films, np.asarray(positive) == kind, films.sick == kind, draws) for kind in (1, 0)
    )
    rows = []
    for prevalence in prevalences:
        for name, of, other in (("ppv", _ppv, specificity), ("npv", _npv, sensitivity)):
            value, *drawn = of(np.concatenate(sensitivity[:2]), np.concatenate(specificity[:2]), prevalence)
            low, high = _ends(np.array(drawn))
            if (other[1] == 1).all():
                least = np.array([other[2]])
                ends = (sensitivity[0], least) if name == "ppv" else (least, specificity[0])
                low = float(of(ends[0], ends[1], prevalence)[0])
            rows.append({"prevalence": prevalence, "metric": name, "value": value, "low": low, "high": high})
    return pd.DataFrame(rows)


def decision_curve(films: Scored, calibrated_at: float, prevalences: Sequence[float], draws: int) -> pd.DataFrame:
    """The net benefit of the model, and of treating all, at each of `prevalences` and of `THRESHOLDS`.

    Net benefit is the share of true positives less that of false positives, these weighted by the odds of the threshold
    (Vickers, Elkin, 2006); treating none has 0. Probabilities are shifted from the prevalence that they were
    `calibrated_at` to the one that is asked about (Saerens et al., 2002). Where all films of a class are called sick,
    or none, no draw varies: then it adds what Clopper and Pearson leave it, as Newcombe (1998) puts ends together.

    Columns: `prevalence`, `threshold`, `model`, its 95 % interval from `low` to `high`, `treat_all`.
    """
    sick = films.sick == 1
    shifted = {each: shift(films.probability, calibrated_at, each) for each in prevalences}
    kinds = {True: sick, False: ~sick}
    called = {
        (each, kind): (shifted[each][of_kind, None] >= THRESHOLDS).astype(float)
        for each in prevalences
        for kind, of_kind in kinds.items()
    }
    once = np.ones((1, len(sick)))
    unseen = {kind: 1 - 0.025 ** (1 / len(set(films.patients[of_kind]))) for kind, of_kind in kinds.items()}
    drawn: dict[float, list[np.ndarray]] = {each: [] for each in prevalences}
    for weights in [once, *resample(films.patients, draws, 0)]:
        for each in prevalences:
            true, false = (
                weights[:, of_kind] @ called[each, kind] / weights[:, of_kind].sum(axis=1, keepdims=True)
                for kind, of_kind in kinds.items()
            )
            drawn[each].append(_net_benefit(true, false, each))
    rows = []
    for each in prevalences:
        values = np.concatenate(drawn[each])
        treat_all = _net_benefit(np.ones(1), np.ones(1), each)
        for column, threshold in enumerate(THRESHOLDS):
            low, high = _ends(values[1:, column])
            worth = {True: each, False: -(1 - each) * threshold / (1 - threshold)}
            changes = [  # by as much as the share of a class that is called may be another: down from all, up from none
                worth[kind] * unseen[kind] * (1 - 2 * calls[0])
                for kind in kinds
                if len(set(calls := called[each, kind][:, column])) == 1
            ]
            value = values[0, column]
            low = value - float(np.hypot(value - low, np.linalg.norm([min(by, 0) for by in changes])))
            high = value + float(np.hypot(high - value, np.linalg.norm([max(by, 0) for by in changes])))
            rows.append((each, threshold, values[0, column], low, high, treat_all[column]))
    return pd.DataFrame(rows, columns=["prevalence", "threshold", "model", "low", "high", "treat_all"])


def prior_of(films: Scored) -> float:
    """The prevalence at which the probabilities of `films` hold: where from they are right in the mean when they are
    shifted to the share of `films` that is sick.

    It is that of the loss, which weights and repeats of training films change, and not that of any part.
    """
    share, probability = float(films.sick.mean()), np.clip(films.probability, 1e-6, 1 - 1e-6)
    log_odds = brentq(lambda odds: float(shift(probability, expit(odds), share).mean()) - share, -30, 30)
    return float(expit(log_odds))


def shift(probability: np.ndarray, calibrated_at: float, prevalence: float) -> np.ndarray:
    """Probabilities, float (N,), that hold at one prevalence, as they are at another."""
    factor = (prevalence / (1 - prevalence)) / (calibrated_at / (1 - calibrated_at))
    shifted: np.ndarray = probability * factor / (probability * factor + 1 - probability)
    return shifted


def plot_decision_curve(table: pd.DataFrame) -> Figure:
    """A `decision_curve`, side by side for its prevalences."""
    prevalences = sorted(set(table["prevalence"]))
    figure = Figure(figsize=(4.6 * len(prevalences), 4), layout="constrained")
    for axes, prevalence in zip(figure.subplots(1, len(prevalences), squeeze=False)[0], prevalences, strict=True):
        rows = table[table["prevalence"] == prevalence]
        axes.fill_between(rows["threshold"], rows["low"], rows["high"], color="#9ecae1", alpha=0.5, linewidth=0)
        axes.plot(rows["threshold"], rows["model"], color="#0072b2", label="by the model")
        axes.plot(rows["threshold"], rows["treat_all"], color="#d55e00", linestyle="--", label="treat all")
        axes.axhline(0, color="grey", linewidth=0.8, label="treat none")
        axes.set(title=f"{prevalence:.0%} have pneumonia", xlabel="probability from which one treats", xlim=(0, 1))
        axes.set_ylim(-0.3 * prevalence, 1.1 * prevalence)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("net benefit")
    figure.axes[0].legend(frameon=False)
    return figure


def _share_called(
    films: Scored, right: np.ndarray, of_kind: np.ndarray, draws: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """The share of films `of_kind` that are `right`, (1,), that of each draw, (D,), and Clopper and Pearson's lower end
    where it is 1.
    """
    hits = (right & of_kind).astype(float)
    with np.errstate(invalid="ignore"):
        drawn = [
            weights @ hits / (weights @ of_kind.astype(float))
            for weights in [np.ones((1, len(hits))), *resample(films.patients, draws, 0)]
        ]
    return drawn[0], np.concatenate(drawn[1:]), 0.025 ** (1 / len(set(films.patients[of_kind])))


def _ppv(sensitivity: np.ndarray, specificity: np.ndarray, prevalence: float) -> np.ndarray:
    true, false = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    with np.errstate(invalid="ignore"):
        share: np.ndarray = true / (true + false)
    return share


def _npv(sensitivity: np.ndarray, specificity: np.ndarray, prevalence: float) -> np.ndarray:
    return _ppv(specificity, sensitivity, 1 - prevalence)


def _net_benefit(true: np.ndarray, false: np.ndarray, prevalence: float) -> np.ndarray:
    """From the shares of sick and of healthy films that are called sick, at `THRESHOLDS`."""
    return true * prevalence - false * (1 - prevalence) * THRESHOLDS / (1 - THRESHOLDS)


def _ends(drawn: np.ndarray) -> tuple[float, float]:
    defined = drawn[~np.isnan(drawn)]
    low, high = np.quantile(defined, INTERVAL) if len(defined) else (np.nan, np.nan)
    return float(low), float(high)
