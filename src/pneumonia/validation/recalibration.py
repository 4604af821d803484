"""A temperature and a threshold of a place's own, from some of its films: what they give, and how many it takes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.optimize import minimize_scalar

from pneumonia.errors import UserError
from pneumonia.evaluation.bootstrap import INTERVAL, with_intervals
from pneumonia.evaluation.calibration import TEMPERATURES
from pneumonia.evaluation.operating_point import Rule, Scored, Wanted, choose_cross_fitted
from pneumonia.inference.decision import Decision, OfSite
from pneumonia.inference.probabilities import SMALLEST, probability_of_pneumonia, scale
from pneumonia.validation.answers import BALANCED, Answers, in_words, rates

SIZES = (10, 20, 50, 100, 200, 500, 1000)
"""How many labelled films are tried."""
DRAWS = 50
FEWEST = 2
"""Patients of each kind that a choice needs."""
LEFT = 5
"""Patients of each kind that are left to measure it on."""
SHOWN = (BALANCED, "sensitivity", "specificity", "accuracy", "log loss")


@dataclass(frozen=True, eq=False)
class Labelled:
    """Films of a place: which are sick, int (N,), the network's probabilities before scaling, float (N, C), of which
    the first `healthy` are without pneumonia, and whose they are, str (N,).
    """

    sick: np.ndarray
    raw: np.ndarray
    healthy: int
    patients: np.ndarray

    def rows(self, rows: np.ndarray) -> "Labelled":
        """Some of them."""
        return Labelled(self.sick[rows], self.raw[rows], self.healthy, self.patients[rows])

    def has(self, fewest: int) -> bool:
        """Whether there are so many patients with pneumonia, and without."""
        return min(len(set(self.patients[self.sick == kind])) for kind in (0, 1)) >= fewest

    def probability(self, temperature: float) -> np.ndarray:
        """Of pneumonia, float (N,)."""
        return probability_of_pneumonia(scale(self.raw, temperature), self.healthy)


@dataclass(frozen=True)
class Chooser:
    """How a threshold is chosen: params.yaml's `evaluate`."""

    rule: Rule
    wanted: Wanted

    def decide(self, films: Labelled) -> OfSite:
        """The temperature at which the log loss of pneumonia is least, and then the threshold, by `films`."""
        temperature = fit_temperature(films)
        scored = Scored(films.sick, films.probability(temperature), films.patients)
        threshold = choose_cross_fitted(self.rule, scored, self.wanted).threshold
        rule = f"{self.rule}, cross-fitted, {len(films.sick)} films of the place"
        return OfSite(temperature=temperature, threshold=threshold, rule=rule)


@dataclass(frozen=True)
class Recalibration:
    """What came of it."""

    of_site: OfSite
    rows: np.ndarray
    """Of the films that chose it, int (N,)."""
    figures: pd.DataFrame
    """On the films that were not used, frozen and recalibrated: `metric`, `frozen`, `recalibrated`, their `difference`
    with its interval from `low` to `high`."""
    curve: pd.DataFrame
    """For each of `SIZES`: `films`, which share of draws of so many is `usable` (see `FEWEST`), and of `SHOWN` the
    median over these draws, with 95 % of them. All sizes are measured on the same films, those not in the largest."""

    @property
    def sentence(self) -> str:
        """What it gives, in words."""
        figures = self.figures.set_index("metric")
        row = figures.loc[BALANCED]
        pairs = (
            f"{name} {figures.at[name, 'recalibrated']:.3f} instead of {figures.at[name, 'frozen']:.3f}"
            for name in ("sensitivity", "specificity")
        )
        usable = float(self.curve["usable"].iloc[-1])
        few = f" In {usable:.0%} of draws so many films hold {FEWEST} patients with and without pneumonia to choose by."
        change = in_words(row["difference"], row["low"], row["high"])
        loss = figures.loc["log loss"]
        of_loss = in_words(loss["difference"], loss["low"], loss["high"])
        return (
            f"Threshold {self.of_site.threshold:.3f} and temperature {self.of_site.temperature:.2f} by "
            f"{self.of_site.rule.split(', ')[-1]}; on the others {', '.join(pairs)}, balanced accuracy "
            f"{row['recalibrated']:.3f} instead of {row['frozen']:.3f}: {change}. The log loss of the probabilities is "
            f"{loss['recalibrated']:.3f} instead of {loss['frozen']:.3f}: {of_loss} (less is better)."
            f"{few if usable < 1 else ''}"
        )


def recalibrate(films: Labelled, number: int, chooser: Chooser, decision: Decision) -> Recalibration:
    """Choose by `number` of the `films`, whole patients drawn at random, and measure on the others.

    Raises:
        UserError: too few films to choose by, or to measure on.
    """
    _, order = next(_draws(films, number, 1), (0, None))
    if order is None:
        raise UserError(
            f"recalibrate is {number}; of {len(films.sick)} films it takes {FEWEST} patients with and without "
            f"pneumonia to choose by, and {LEFT} of each to measure on"
        )
    chosen = _among_first(films, order, number)
    of_site = chooser.decide(films.rows(chosen))
    figures = _figures(films.rows(~chosen), decision, of_site)
    return Recalibration(of_site, np.flatnonzero(chosen), figures, _curve(films, number, chooser, decision))


def fit_temperature(films: Labelled) -> float:
    """The temperature within `TEMPERATURES` at which the log loss of pneumonia or not is least."""

    def loss(log_temperature: float) -> float:
        return float(_log_loss(films.sick, films.probability(math.exp(log_temperature))).mean())

    bounds = tuple(map(math.log, TEMPERATURES))
    return math.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x)


def plot_curve(curve: pd.DataFrame) -> Figure:
    """What so many films give: the median of the draws, and where 95 % of them lie."""
    figure = Figure(figsize=(4 * len(SHOWN), 3.6), layout="constrained")
    for axes, metric in zip(figure.subplots(1, len(SHOWN)), SHOWN, strict=True):
        axes.plot(curve["films"], curve[metric], color="#0072b2", marker="o", markersize=3)
        axes.fill_between(curve["films"], curve[f"{metric}_low"], curve[f"{metric}_high"], color="#9ecae1", alpha=0.5)
        axes.set(title=metric.replace("_", " "), xlabel="labelled films", xscale="symlog")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.2)
    return figure


def _draws(films: Labelled, number: int, draws: int) -> Iterator[tuple[int, np.ndarray]]:
    """Orders of the films' rows, patient after patient, whose first `number` can choose and leave enough to measure on;
    before each, how many orders were tried.
    """
    names, numbers = np.unique(films.patients, return_inverse=True)
    found = 0
    for tried in range(1, 20 * draws + 1):
        if found == draws or number >= len(films.sick):
            return
        place = np.argsort(np.random.default_rng(tried - 1).permutation(len(names)))
        order = np.argsort(place[numbers], kind="stable")
        chosen = _among_first(films, order, number)
        if films.rows(chosen).has(FEWEST) and films.rows(~chosen).has(LEFT):
            found += 1
            yield tried, order


def _among_first(films: Labelled, order: np.ndarray, number: int) -> np.ndarray:
    """Which films, bool (N,), are the first `number` in the `order`, or of a patient of these."""
    return np.isin(films.patients, films.patients[order[:number]])


def _measured(films: Labelled, temperature: float, threshold: float, weights: np.ndarray) -> dict[str, np.ndarray]:
    probability = films.probability(temperature)
    called = (probability >= threshold).astype(float)
    answers = Answers(films.sick.astype(float), probability, called, films.patients)
    found = rates(answers, called, weights)
    found["log loss"] = weights @ _log_loss(films.sick, probability) / weights.sum(axis=1)
    return {metric: found[metric] for metric in SHOWN}


def _figures(films: Labelled, decision: Decision, of_site: OfSite) -> pd.DataFrame:
    def metrics(weights: np.ndarray) -> dict[str, np.ndarray]:
        frozen = _measured(films, decision.temperature, decision.threshold, weights)
        new = _measured(films, of_site.temperature, of_site.threshold, weights)
        return (
            {f"frozen {key}": value for key, value in frozen.items()}
            | {f"new {key}": value for key, value in new.items()}
            | {f"change {key}": new[key] - value for key, value in frozen.items()}
        )

    table = with_intervals(metrics, films.patients, films.sick, 1000, 0)
    rows = [
        {
            "metric": metric,
            "frozen": table.at[f"frozen {metric}", "value"],
            "recalibrated": table.at[f"new {metric}", "value"],
            "difference": table.at[f"change {metric}", "value"],
            "low": table.at[f"change {metric}", "low"],
            "high": table.at[f"change {metric}", "high"],
        }
        for metric in SHOWN
    ]
    return pd.DataFrame(rows)


def _curve(films: Labelled, number: int, chooser: Chooser, decision: Decision) -> pd.DataFrame:
    rows, draws = [], list(_draws(films, number, DRAWS))
    tried = draws[-1][0]
    for size in sorted({0, number, *(each for each in SIZES if each < number)}):
        measured: list[dict[str, np.ndarray]] = []
        for _, order in draws:
            chosen = films.rows(_among_first(films, order, size))
            if size and not chosen.has(FEWEST):
                continue
            by = chooser.decide(chosen) if size else decision
            # What the largest size leaves measures every size, so that they differ in who chose alone.
            others = films.rows(~_among_first(films, order, number))
            measured.append(_measured(others, by.temperature, by.threshold, np.ones((1, len(others.sick)))))
        if not measured:
            continue
        usable = len(measured) / tried if size else 1.0
        row: dict[str, float] = {"films": size, "draws": len(measured), "usable": usable}
        for metric in SHOWN:
            values = np.concatenate([each[metric] for each in measured])
            low, high = np.quantile(values, INTERVAL)
            row |= {metric: float(np.median(values)), f"{metric}_low": float(low), f"{metric}_high": float(high)}
        rows.append(row)
    return pd.DataFrame(rows)


def _log_loss(sick: np.ndarray, probability: np.ndarray) -> np.ndarray:
    of_truth = np.where(sick == 1, probability, 1 - probability)
    loss: np.ndarray = -np.log(np.maximum(of_truth, SMALLEST))
    return loss
