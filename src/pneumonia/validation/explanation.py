"""Why a model is worse elsewhere: what is measured of these films and of its answers, beside what was measured at home.

Each reason is a sentence and the table that it is read from. A sentence claims a difference only where an interval
does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pneumonia.evaluation.bootstrap import WeightedMetrics, roc_auc
from pneumonia.evaluation.home import QUANTILES, Home, Measured
from pneumonia.evaluation.operating_point import Scored, Wanted, cross_fitted_calls
from pneumonia.evaluation.parts import Part
from pneumonia.validation.answers import (
    BALANCED,
    COMPARED,
    Answers,
    at_home,
    auc_among,
    auc_within,
    by_group,
    contrast,
    difference,
    in_words,
    logit,
    measured,
    rates,
    share_of_draws,
    shift_prevalence,
)
from pneumonia.validation.calibration_line import LARGE, weighted_calibration

MEASURES = {
    "side": "size of the file (root of its pixels)",
    "grey": "mean grey",
    "contrast": "contrast",
    "detail": "detail (differences of neighbouring pixels, as a share of contrast)",
}


@dataclass(frozen=True)
class Reason:
    """One thing that may be why."""

    about: str
    sentence: str
    table: pd.DataFrame


def explain(part: Part, threshold: float, home: Home | None, test: dict[str, Measured]) -> list[Reason]:
    """The reasons, those first that need what is known of `home`, or the metrics of its `test` films."""
    answers, films = Answers.of(part, threshold), part.films
    return [
        *([loss(answers, test), threshold_alone(answers, test)] if test else []),
        *([likeliest_stress(answers, home)] if home else []),
        familiarity(answers, (films["remark"] != "").to_numpy(), home),
        prevalence(answers, home),
        calibration(answers),
        view_and_age(answers, films, home),
        *([exposure(answers, films, home)] if home else []),
    ]


def loss(answers: Answers, test: dict[str, Measured]) -> Reason:
    """How much worse it is than on the test films of home."""
    here = answers.intervals(lambda weights: rates(answers, answers.called, weights))
    rows = {}
    for metric in [*COMPARED, BALANCED]:
        if (there := at_home(test, metric)) is not None:
            rows[metric] = difference(there, measured(here.loc[metric]))
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("metric").reset_index()
    told = [
        f"{COMPARED[row.metric]} {row.here:.3f}, {row.home:.3f} at home: {in_words(row.difference, row.low, row.high)}"
        for row in table.itertuples()
        if row.metric in COMPARED
    ]
    return Reason("the loss", "; ".join(told) + ".", table)


def threshold_alone(answers: Answers, test: dict[str, Measured]) -> Reason:
    """What share of the loss in balanced accuracy another threshold would give back."""
    scored = Scored(answers.sick.astype(int), answers.probability, answers.patients)
    anew = cross_fitted_calls("youden", scored, Wanted(0.95, 5.0))

    def metrics(weights: np.ndarray) -> WeightedMetrics:
        frozen = rates(answers, answers.called, weights)[BALANCED]
        new = rates(answers, anew, weights)[BALANCED]
        return {"frozen threshold": frozen, "new threshold": new, "gain": new - frozen}

    table = answers.intervals(metrics)
    there = at_home(test, BALANCED)
    if there is None:
        return Reason("the threshold", "What home had is not known.", table.reset_index())
    lost = difference(there, measured(table.loc["frozen threshold"]))
    table.loc["home"] = [there.value, there.low, there.high]
    gain = table.loc["gain"]
    told = (
        f"A threshold chosen on these films changes the balanced accuracy {in_words(gain.value, gain.low, gain.high)}"
    )
    if lost["high"] < 0 < gain.low:
        share = min(gain.value / -lost["difference"], 1.0)
        told += f": {share:.0%} of the loss of {-lost['difference']:.3f}"
        table.loc["share of the loss"] = [share, np.nan, np.nan]
    return Reason("the threshold", told + ".", table.reset_index())


def likeliest_stress(answers: Answers, home: Home) -> Reason:
    """Which stress of home's test films is nearest to what is measured here, in AUC, sensitivity and specificity."""
    names = list(home.stresses)
    if not names:
        return Reason("the stress", "What stresses do at home is not known.", pd.DataFrame())
    stressed = np.array([[each.roc_auc, each.sensitivity, each.specificity] for each in home.stresses.values()])

    def distances(weights: np.ndarray) -> np.ndarray:
        of = rates(answers, answers.called, weights)
        here = np.stack([of["roc_auc"], of["sensitivity"], of["specificity"]], axis=1)
        return np.sqrt(((here[:, None] - stressed[None]) ** 2).sum(axis=2))

    def nearest(weights: np.ndarray) -> WeightedMetrics:
        closest = distances(weights).argmin(axis=1)
        return {name: (closest == number).astype(float) for number, name in enumerate(names)}

    drawn = share_of_draws(answers, nearest)
    once = distances(np.ones((1, len(answers.sick))))[0]
    table = pd.DataFrame(stressed, columns=["roc_auc", "sensitivity", "specificity"])
    table.insert(0, "home's films", names)
    table = table.assign(distance=once, nearest_in=[drawn[name] for name in names]).sort_values("distance")
    best, share = str(table.iloc[0, 0]), float(table.iloc[0]["nearest_in"])
    told = (
        f"Of home's test films, altered, those “{best}” fare most like the films here (nearest in {share:.0%} of draws)"
    )
    if best == "as it is":
        told += ": no stress explains a drop"
    return Reason("the stress", told + ". A likeness, and no proof.", table)


def familiarity(answers: Answers, unlike: np.ndarray, home: Home | None) -> Reason:
    """Films unlike the training films, `unlike`, bool (N,), and whether it is they who make it worse."""
    at_home = f", {home.unfamiliar:.1%} of the test films at home" if home else ""
    told = f"{unlike.mean():.1%} of the films are unlike the training films{at_home}"
    groups = {"unlike the training films": unlike, "like them": ~unlike}
    table = by_group(answers, groups)
    told += contrast(answers, unlike, "unlike them", "like them")
    return Reason("familiarity", told + ".", table)


def prevalence(answers: Answers, home: Home | None) -> Reason:
    """How frequent pneumonia is, and what that does to what a probability says."""
    here = answers.intervals(
        lambda weights: {
            "share that is sick": weights @ answers.sick / weights.sum(axis=1),
            "mean probability": weights @ answers.probability / weights.sum(axis=1),
        }
    )
    sick, mean = here.loc["share that is sick"], here.loc["mean probability"]
    told = f"Pneumonia is on {sick.value:.0%} of these films"
    if home:
        told += f", and on {home.share_sick:.0%} of those that the probability was calibrated on"
    told += f"; the mean probability is {mean.value:.0%}"
    if mean.low > sick.high or mean.high < sick.low:
        told += f", which is too {'high' if mean.value > sick.value else 'low'}"
    if home and 0 < home.share_sick < 1:
        shifted = shift_prevalence(answers.probability, home.share_sick, float(sick.value))
        gain = answers.intervals(
            lambda weights: {
                "Brier score": weights @ (answers.probability - answers.sick) ** 2 / weights.sum(axis=1),
                "Brier score at this prevalence": weights @ (shifted - answers.sick) ** 2 / weights.sum(axis=1),
                "their difference": weights
                @ ((shifted - answers.sick) ** 2 - (answers.probability - answers.sick) ** 2)
                / weights.sum(axis=1),
            }
        )
        here = pd.concat([here, gain])
        row = gain.loc["their difference"]
        told += (
            f". Told how frequent it is, the probability’s Brier score changes {in_words(row.value, row.low, row.high)}"
        )
    return Reason("prevalence", told + ".", here.reset_index())


def calibration(answers: Answers) -> Reason:
    """The slope and the intercept of the calibration line (Cox 1958), and the intercept at a slope of 1."""
    log_odds = logit(answers.probability)
    table = answers.intervals(lambda weights: weighted_calibration(answers.sick, log_odds, weights))
    slope, large = table.loc["slope"], table.loc[LARGE]
    told = [f"The slope is {slope.value:.2f} ({slope.low:.2f} to {slope.high:.2f})"]
    if slope.high < 1:
        told[0] += ": probabilities are too extreme"
    elif slope.low > 1:
        told[0] += ": probabilities are not extreme enough"
    told.append(f"at a slope of 1 the intercept is {large.value:+.2f} ({large.low:+.2f} to {large.high:+.2f})")
    if large.high < 0 or large.low > 0:
        told[1] += f": probabilities are too {'high' if large.high < 0 else 'low'} throughout"
    return Reason("calibration", "; ".join(told) + ".", table.reset_index())


def view_and_age(answers: Answers, films: pd.DataFrame, home: Home | None) -> Reason:
    """How it fares by view and by age, and how much of the AUC is in who is taken in which view, or how old."""
    groups: dict[str, np.ndarray] = {}
    told, rows = _who_they_are(films, home), []
    for name, values in (("view", films["view"]), ("age", _thirds(films["age"]))):
        known = values.notna() & (values != "")
        each = {f"{name} {value}": (values == value).to_numpy() for value in sorted(set(values[known]))}
        groups |= each
        if len(each) < 2:
            told.append(f"{name} is {'the same on all' if each else 'not known'}")
            continue
        strata, both = values[known].to_numpy(), known.to_numpy()
        if sum(answers.has_both(among) for among in each.values()) < 2:
            told.append(f"{name}: too few films of each for a figure")
            continue

        def metrics(weights: np.ndarray, strata: np.ndarray = strata, both: np.ndarray = both) -> WeightedMetrics:
            sick, probability, counted = answers.sick[both], answers.probability[both], weights[:, both]
            over_all, within = roc_auc(sick, probability, counted), auc_within(sick, probability, strata, counted)
            return {"all": over_all, "within": within, "difference": within - over_all}

        figures = answers.intervals(metrics)
        row = figures.loc["difference"]
        rows.append(
            {"group": f"pairs of the same {name}", "roc_auc": figures.at["within", "value"]}
            | {end: figures.at["within", end] for end in ("low", "high")}
        )
        told.append(
            f"among films of the same {name} the AUC is {figures.at['within', 'value']:.3f}, over all "
            f"{figures.at['all', 'value']:.3f}: {in_words(row.value, row.low, row.high)}"
        )
    table = pd.concat([by_group(answers, groups), pd.DataFrame(rows)], ignore_index=True)
    return Reason("view and age", _sentence(told), table)


def _who_they_are(films: pd.DataFrame, home: Home | None) -> list[str]:
    """Which views and ages there are, beside those of the training films, where both are known."""
    told, views, age = [], films.loc[films["view"] != "", "view"], films["age"].median()
    if home and home.views and len(views):
        for view, share in views.value_counts(normalize=True).head(3).items():
            told.append(
                f"{view} on {share:.0%} of the films whose view is known, {home.views.get(view, 0):.0%} at home"
            )
    if home and "age" in home.quantiles and age == age:  # NaN where no film tells it
        told.append(f"the median age is {age:.0f}, {home.quantiles['age'][QUANTILES.index(0.5)]:.0f} at home")
    return told


def exposure(answers: Answers, films: pd.DataFrame, home: Home) -> Reason:
    """How the films differ from the training films in size, exposure and sharpness, and whether that costs."""
    rows, told = [], []
    for name, words in MEASURES.items():
        if name not in home.quantiles:
            continue
        low, *_, high = home.quantiles[name]
        outside = ((films[name] < low) | (films[name] > high)).to_numpy()
        at_home, here = home.quantiles[name][QUANTILES.index(0.5)], float(films[name].median())
        share = float(outside.mean())
        among = {"auc_outside": auc_among(answers, outside), "auc_inside": auc_among(answers, ~outside)}
        rows.append(
            {"measure": words, "home_low": low, "home_median": at_home, "home_high": high, "here_median": here,
             "share_outside": share, **among}
        )  # fmt: skip
        differs = f"{share:.0%} are outside of what 90 % of the training films have"
        told.append(
            (
                share,
                f"{words}: {differs} (median {here:.3g}, at home {at_home:.3g})",
                contrast(answers, outside, "outside", "inside"),
            )
        )
    told.sort(key=lambda each: -each[0])
    sentences = [
        differs + (cost or "; too few on one side to say what that costs")
        for number, (_, differs, cost) in enumerate(told)
        if cost or number == 0  # the measure that differs most is told in any case
    ]
    return Reason("exposure and resolution", _sentence(sentences), pd.DataFrame(rows))


def _thirds(age: pd.Series) -> pd.Series:
    """The third of the known ages, in words."""
    known = pd.to_numeric(age, errors="coerce")
    if known.nunique() < 3:
        return pd.Series(np.nan, index=age.index, dtype=object)
    return pd.qcut(known, 3, duplicates="drop").astype(object)


def _sentence(parts: Sequence[str]) -> str:
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else "Nothing is known of it."
