"""The answers to films from elsewhere in figures, with intervals, beside those of home.

Intervals are of 95 %, by bootstrap over patients. Of home there are intervals and no films: that of a difference is
from both intervals (Zou, Donner, Construction of confidence limits about effect measures, 2008).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pneumonia.evaluation.bootstrap import WeightedMetrics, resample, roc_auc, with_intervals
from pneumonia.evaluation.home import Measured
from pneumonia.evaluation.parts import Part

DRAWS = 1000
FEWEST = 10
"""Films with and without pneumonia that a group needs for a figure of its own."""
COMPARED = {"roc_auc": "AUC", "sensitivity": "sensitivity", "specificity": "specificity", "accuracy": "accuracy"}
BALANCED = "balanced_accuracy"
"""The mean of sensitivity and specificity, which no prevalence changes."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What is asked of the films: which are sick, float (N,), how probably, which are called sick, whose they are."""

    sick: np.ndarray
    probability: np.ndarray
    called: np.ndarray
    patients: np.ndarray

    @classmethod
    def of(cls, part: Part, threshold: float) -> "Answers":
        """Those of a part at the operating point."""
        called = (part.probability >= threshold).astype(float)
        return cls(part.sick.astype(float), part.probability, called, part.scored.patients)

    def intervals(self, metrics: Callable[[np.ndarray], WeightedMetrics]) -> pd.DataFrame:
        """`metrics`, of weights (D, N), with their intervals."""
        return with_intervals(metrics, self.patients, self.sick.astype(int), DRAWS, 0)

    def has_both(self, among: np.ndarray) -> bool:
        """Whether `among`, bool (N,), has enough films with and without pneumonia for a figure."""
        sick = self.sick[among]
        return bool(min(sick.sum(), (1 - sick).sum()) >= FEWEST)


def rates(answers: Answers, called: np.ndarray, weights: np.ndarray) -> WeightedMetrics:
    """The metrics of `COMPARED` and `BALANCED`, (D,), where film n counts `weights[d, n]` times and is `called` sick:
    0, 1, or the share of choices of a threshold by which it is.
    """
    sick, well = answers.sick, 1 - answers.sick
    with np.errstate(divide="ignore", invalid="ignore"):
        found = weights @ (sick * called) / (weights @ sick)
        rejected = weights @ (well * (1 - called)) / (weights @ well)
        right = weights @ (sick * called + well * (1 - called)) / weights.sum(axis=1)
    auc = roc_auc(sick, answers.probability, weights)
    return {
        "roc_auc": auc, "sensitivity": found, "specificity": rejected, "accuracy": right,
        BALANCED: (found + rejected) / 2,
    }  # fmt: skip


def auc_within(sick: np.ndarray, probability: np.ndarray, strata: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The share of pairs of a sick and a well film of the same of `strata`, (N,), that are ranked right, (D,)."""
    right, pairs = np.zeros(len(weights)), np.zeros(len(weights))
    for stratum in set(strata):
        among = strata == stratum
        counted = weights[:, among]
        count = (counted @ sick[among]) * (counted @ (1 - sick[among]))
        auc = roc_auc(sick[among], probability[among], counted)
        right += np.where(count > 0, count * np.nan_to_num(auc), 0)
        pairs += count
    with np.errstate(divide="ignore", invalid="ignore"):
        return right / pairs


def by_group(answers: Answers, groups: dict[str, np.ndarray]) -> pd.DataFrame:
    """A row for each of `groups`, bool (N,): how many films, how many sick, AUC with its interval, the rates."""
    rows = []
    for group, among in groups.items():
        row: dict[str, object] = {"group": group, "films": int(among.sum()), "sick": int(answers.sick[among].sum())}
        if answers.has_both(among):
            part = among_films(answers, among)
            sure = part.intervals(lambda weights, part=part: rates(part, part.called, weights))  # type: ignore[misc]
            row |= {"roc_auc": sure.at["roc_auc", "value"], "low": sure.at["roc_auc", "low"]}
            row |= {"high": sure.at["roc_auc", "high"]}
            row |= {metric: sure.at[metric, "value"] for metric in ("sensitivity", "specificity")}
        rows.append(row)
    columns = ["group", "films", "sick", "roc_auc", "low", "high", "sensitivity", "specificity"]
    return pd.DataFrame(rows, columns=columns)


def contrast(answers: Answers, among: np.ndarray, one: str, other: str) -> str:
    """The AUC among some films and among the others, with the interval of the difference; empty where there are few."""
    if not (answers.has_both(among) and answers.has_both(~among)):
        return ""

    def metrics(weights: np.ndarray) -> WeightedMetrics:
        ours, theirs = (
            roc_auc(answers.sick[which], answers.probability[which], weights[:, which]) for which in (among, ~among)
        )
        return {"one": ours, "other": theirs, "difference": ours - theirs}

    table = answers.intervals(metrics)
    row = table.loc["difference"]
    return (
        f"; AUC {table.at['one', 'value']:.3f} {one} and {table.at['other', 'value']:.3f} {other}: "
        f"{in_words(row.value, row.low, row.high)}"
    )


def share_of_draws(answers: Answers, metrics: Callable[[np.ndarray], WeightedMetrics]) -> dict[str, float]:
    """The mean over bootstrap draws of each of `metrics`."""
    drawn = [metrics(weights) for weights in resample(answers.patients, DRAWS, 0)]
    return {name: float(np.concatenate([each[name] for each in drawn]).mean()) for name in drawn[0]}


def at_home(test: dict[str, Measured], metric: str) -> Measured | None:
    """A metric of home's test films, of which these are known."""
    if metric != BALANCED:
        return test.get(metric)
    if not {"sensitivity", "specificity"} <= set(test):
        return None
    one, other = test["sensitivity"], test["specificity"]
    middle = (one.value + other.value) / 2
    below = np.hypot(one.value - one.low, other.value - other.low) / 2
    above = np.hypot(one.high - one.value, other.high - other.value) / 2
    return Measured(value=middle, low=middle - float(below), high=middle + float(above))


def difference(home: Measured, here: Measured) -> dict[str, float]:
    """What is `here` less what was at `home`, measured on other films: with the interval that both intervals give."""
    change = here.value - home.value
    low = change - float(np.hypot(here.value - here.low, home.high - home.value))
    high = change + float(np.hypot(here.high - here.value, home.value - home.low))
    return {"home": home.value, "here": here.value, "difference": change, "low": low, "high": high}


def measured(row: pd.Series) -> Measured:
    """A row of a table of intervals."""
    return Measured(value=float(row["value"]), low=float(row["low"]), high=float(row["high"]))


def shift_prevalence(probability: np.ndarray, calibrated_for: float, here: float) -> np.ndarray:
    """The probability, float (N,), where the sick are a share `here` and not the share that it was `calibrated_for`
    (Saerens, Latinne, Decaestecker, Adjusting the outputs of a classifier to new a priori probabilities, 2002).
    """
    sick, well = probability * here / calibrated_for, (1 - probability) * (1 - here) / (1 - calibrated_for)
    return sick / (sick + well)


def logit(probability: np.ndarray) -> np.ndarray:
    """The log-odds, of a probability within one in a million of 0 or 1."""
    inside = np.clip(probability, 1e-6, 1 - 1e-6)
    return np.log(inside / (1 - inside))


def among_films(answers: Answers, among: np.ndarray) -> Answers:
    """The answers to some of the films, `among`, bool (N,)."""
    return Answers(*(each[among] for each in vars(answers).values()))


def auc_among(answers: Answers, among: np.ndarray) -> float:
    """The AUC among some of the films, bool (N,); NaN where they are too few."""
    if not answers.has_both(among):
        return float("nan")
    part = among_films(answers, among)
    return float(roc_auc(part.sick, part.probability, np.ones((1, len(part.sick))))[0])


def in_words(value: float, low: float, high: float) -> str:
    """A change with its interval, in words."""
    ends = f"({low:+.3f} to {high:+.3f})"
    if np.isnan(value) or low <= 0 <= high:
        return f"by {value:+.3f} {ends}, no difference that these films can show"
    return f"by {value:+.3f} {ends}"
