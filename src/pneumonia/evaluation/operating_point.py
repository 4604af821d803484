"""The probability from which a film is predicted to show pneumonia: chosen on validation films, then frozen."""

import warnings
from collections.abc import Iterator
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
    """What the rules go by: the least `sensitivity`, and what a missed pneumonia costs, in false alarms."""

    sensitivity: float
    cost_of_miss: float


@dataclass(frozen=True, eq=False)
class Scored:
    """Films: which show pneumonia, int (N,) of 0 and 1, how probably, float (N,), and their patients, str (N,)."""

    sick: np.ndarray
    probability: np.ndarray
    patients: np.ndarray


@dataclass(frozen=True)
class Choice:
    """A threshold, with the sensitivity and specificity that were measured while it was chosen."""

    threshold: float
    sensitivity: float
    specificity: float


def choose(rule: Rule, films: Scored, wanted: Wanted) -> Choice:
    """The threshold that is best by `rule` on `films`: films that reach it are predicted to show pneumonia.

    `youden`: the greatest sensitivity + specificity - 1 (Youden, Index for rating diagnostic tests, 1950).
    `sensitivity`: the greatest specificity at a sensitivity of `wanted.sensitivity` or more. `cost`: the least sum of
    false alarms and `wanted.cost_of_miss` times the missed. A threshold lies halfway between two neighbouring
    probabilities, so that neither film decides it alone. Ties go to the lowest, since missing pneumonia is worse.
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
    """The median of the thresholds that `rule` chooses without each fifth of the patients in turn, ten times over.

    Sensitivity and specificity are measured on the films held out of each choice, so the choice does not flatter them.
    If a class has too few patients for two folds, the result is that of `choose`.
    """
    thresholds, predicted = [], []
    for threshold, held_out in _choices_without(rule, films, wanted, seed):
        thresholds.append(threshold)
        predicted.append((films.sick[held_out], films.probability[held_out] >= threshold))
    if not thresholds:
        return choose(rule, films, wanted)
    sick, positive = (np.concatenate(each) for each in zip(*predicted, strict=True))
    return Choice(float(np.median(thresholds)), *_rates(sick, positive))


def cross_fitted_calls(rule: Rule, films: Scored, wanted: Wanted, seed: int = 0) -> np.ndarray:
    """In which share of the choices made without it each film is called sick, float (N,): see `choose_cross_fitted`.

    If a class has too few patients for two folds, it is by the one choice made with all.
    """
    called, choices = np.zeros(len(films.sick)), np.zeros(len(films.sick))
    for threshold, held_out in _choices_without(rule, films, wanted, seed):
        called[held_out] += films.probability[held_out] >= threshold
        choices[held_out] += 1
    by_all = films.probability >= choose(rule, films, wanted).threshold
    return np.where(choices > 0, called / np.maximum(choices, 1), by_all)


def _choices_without(rule: Rule, films: Scored, wanted: Wanted, seed: int) -> Iterator[tuple[float, np.ndarray]]:
    """The threshold that is chosen without each fold of the patients, and the rows of that fold, `REPEATS` times."""
    fewest = min(len(set(films.patients[films.sick == kind])) for kind in (0, 1))
    folds = min(FOLDS, fewest)
    if folds < 2:
        return
    for repeat in range(REPEATS):
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed + repeat)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of classes with fewer films than folds: skipped below
            splits = list(splitter.split(films.probability, films.sick, films.patients))
        for others, held_out in splits:
            kept = Scored(films.sick[others], films.probability[others], films.patients[others])
            if len(set(kept.sick)) == 2:
                yield choose(rule, kept, wanted).threshold, held_out


def compare_choices(val: Scored, stressed: Scored, test: Scored, wanted: Wanted) -> pd.DataFrame:
    """The threshold that each rule chooses, and what it gives on `test`: a row a choice, the first that of 0.5.

    Each rule chooses on all of `val`, cross-fitted on `val`, and cross-fitted on `stressed`: val as it is and altered.
    Columns: `rule`, `chosen_on`, `threshold`, `val_sensitivity` and `val_specificity` (those of the `Choice`),
    `test_sensitivity`, `test_specificity`, `test_accuracy`.
    """
    half = Choice(0.5, *_rates(val.sick, val.probability >= 0.5))
    choices: list[tuple[str, str, Choice]] = [("0.5", "nothing", half)]
    for by in RULES:
        choices.append((by, "all validation films", choose(by, val, wanted)))
        choices.append((by, "cross-fitted", choose_cross_fitted(by, val, wanted)))
        choices.append((by, "stressed, cross-fitted", choose_cross_fitted(by, stressed, wanted)))
    rows = []
    for rule, chosen_on, choice in choices:
        predicted = test.probability >= choice.threshold
        sensitivity, specificity = _rates(test.sick, predicted)
        rows.append(
            {
                "rule": rule,
                "chosen_on": chosen_on,
                "threshold": choice.threshold,
                "val_sensitivity": choice.sensitivity,
                "val_specificity": choice.specificity,
                "test_sensitivity": sensitivity,
                "test_specificity": specificity,
                "test_accuracy": float((predicted == test.sick).mean()),
            }
        )
    return pd.DataFrame(rows)


def _rates(sick: np.ndarray, predicted: np.ndarray) -> tuple[float, float]:
    """Sensitivity and specificity."""
    return float(predicted[sick == 1].mean()), float((~predicted[sick == 0]).mean())
