"""From which probability on a film is called pneumonia: chosen on validation films, and frozen."""

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

Rule = Literal["youden", "sensitivity", "cost"]
RULES: tuple[Rule, ...] = ("youden", "sensitivity", "cost")
FOLDS, REPEATS = 5, 10


@dataclass(frozen=True)
class Wanted:
    """What the rules go by: the least `sensitivity`, and how many false alarms a missed pneumonia costs."""

    sensitivity: float
    cost_of_miss: float


@dataclass(frozen=True, eq=False)
class Scored:
    """Films: which show pneumonia, int (N,) of 0 and 1, its probability, float (N,), and the patients, str (N,)."""

    sick: np.ndarray
    probability: np.ndarray
    patients: np.ndarray


@dataclass(frozen=True)
class Choice:
    """A threshold, and the sensitivity and specificity that the choosing itself saw."""

    threshold: float
    sensitivity: float
    specificity: float


def choose(rule: Rule, films: Scored, wanted: Wanted) -> Choice:
    """The threshold that is best by `rule` on `films`; from it on a film is called pneumonia.

    `youden`: the greatest sensitivity + specificity - 1 (Youden, Index for rating diagnostic tests, 1950).
    `sensitivity`: the greatest specificity with `wanted.sensitivity` or more. `cost`: the least false alarms plus
    `wanted.cost_of_miss` times the missed. A threshold lies halfway between two neighbouring probabilities, so that
    neither film decides it alone; of equally good ones the lowest is taken, since missing pneumonia is worse.
    """
    levels = np.unique(films.probability)
    thresholds = np.concatenate([[levels[0] / 2], (levels[1:] + levels[:-1]) / 2, [(levels[-1] + 1) / 2]])
    sick = np.sort(films.probability[films.sick == 1])
    well = np.sort(films.probability[films.sick == 0])
    missed, rejected = np.searchsorted(sick, thresholds), np.searchsorted(well, thresholds)
    sensitivity, specificity = 1 - missed / len(sick), rejected / len(well)
    if rule == "youden":
        best = int(np.argmax(np.round(sensitivity + specificity, 12)))
    elif rule == "sensitivity":
        enough = sensitivity >= wanted.sensitivity - 1e-12
        best = int(np.argmax(np.where(enough, specificity, -1)))
    else:
        best = int(np.argmin(np.round(wanted.cost_of_miss * missed + len(well) - rejected, 9)))
    return Choice(float(thresholds[best]), float(sensitivity[best]), float(specificity[best]))


def choose_cross_fitted(rule: Rule, films: Scored, wanted: Wanted, seed: int = 0) -> Choice:
    """The median of the thresholds that `rule` chooses without a fifth of the patients each, ten times over.

    Its sensitivity and specificity are those of the films held out of each choice, so the choosing has not flattered
    them. Where a class has too few patients for two folds it is `choose`.
    """
    fewest = min(len(set(films.patients[films.sick == kind])) for kind in (0, 1))
    folds = min(FOLDS, fewest)
    if folds < 2:
        return choose(rule, films, wanted)
    thresholds, called = [], []
    for repeat in range(REPEATS):
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed + repeat)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of classes with fewer films than folds, which is seen to
            splits = list(splitter.split(films.probability, films.sick, films.patients))
        for others, held_out in splits:
            kept = Scored(films.sick[others], films.probability[others], films.patients[others])
            if len(set(kept.sick)) < 2:
                continue
            threshold = choose(rule, kept, wanted).threshold
            thresholds.append(threshold)
            called.append((films.sick[held_out], films.probability[held_out] >= threshold))
    sick, positive = (np.concatenate(each) for each in zip(*called, strict=True))
    return Choice(float(np.median(thresholds)), *_rates(sick, positive))


def compare_choices(val: Scored, stressed: Scored, test: Scored, wanted: Wanted) -> pd.DataFrame:
    """What each rule chooses on `val`, on all of it or cross-fitted, or cross-fitted on it and altered versions,
    `stressed`, and what comes of it on `test`; first 0.5.

    A row a choice: `rule`, `chosen_on`, `threshold`, `val_sensitivity`, `val_specificity` (of cross-fitted ones on
    films held out, of stressed ones on those as they are and stressed), `test_sensitivity`, `test_specificity`,
    `test_accuracy`.
    """
    half = Choice(0.5, *_rates(val.sick, val.probability >= 0.5))
    choices: list[tuple[str, str, Choice]] = [("0.5", "nothing", half)]
    for by in RULES:
        choices.append((by, "all validation films", choose(by, val, wanted)))
        choices.append((by, "cross-fitted", choose_cross_fitted(by, val, wanted)))
        choices.append((by, "stressed, cross-fitted", choose_cross_fitted(by, stressed, wanted)))
    rows = []
    for rule, chosen_on, choice in choices:
        called = test.probability >= choice.threshold
        sensitivity, specificity = _rates(test.sick, called)
        rows.append(
            {
                "rule": rule,
                "chosen_on": chosen_on,
                "threshold": choice.threshold,
                "val_sensitivity": choice.sensitivity,
                "val_specificity": choice.specificity,
                "test_sensitivity": sensitivity,
                "test_specificity": specificity,
                "test_accuracy": float((called == test.sick).mean()),
            }
        )
    return pd.DataFrame(rows)


def _rates(sick: np.ndarray, called: np.ndarray) -> tuple[float, float]:
    """Sensitivity and specificity."""
    return float(called[sick == 1].mean()), float((~called[sick == 0]).mean())
