"""What is predicted for each training film by the networks that did not see it, and what can be chosen on that."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pneumonia.annotations.labels import WITHOUT_PNEUMONIA
from pneumonia.errors import UserError
from pneumonia.evaluation.bootstrap import intervals
from pneumonia.evaluation.calibration import brier_score, expected_calibration_error, fit_temperature
from pneumonia.evaluation.operating_point import Choice, Rule, Scored, Wanted, choose, choose_cross_fitted
from pneumonia.evaluation.repeats import Training

FACTS = ["file", "patient", "label", "class"]
BY_SEED = "seed_"


def out_of_fold(trainings: Sequence[Training]) -> pd.DataFrame:
    """A row for each film that validates a fold, in order of `file`.

    Columns: `file`, `patient`, `label`, `class`, `fold`, the calibrated `probability` of pneumonia by the network that
    did not see the film, with more than two classes `probability_CLASS` of each, both the mean over the seeds, and
    `seed_N`, the probability of pneumonia by the network of each seed.

    Raises:
        UserError: a film is validated by no fold of a seed, or by two.
    """
    by_seed = {seed: _of_seed([each for each in trainings if each.seed == seed]) for seed in _seeds(trainings)}
    first, *others = by_seed.values()
    for each in others:
        if not each[[*FACTS, "fold"]].equals(first[[*FACTS, "fold"]]):
            raise UserError("the seeds have other films in their folds: their predictions make no one table")
    probabilities = [column for column in first if column.startswith("probability")]
    table = first[[*FACTS, "fold"]].copy()
    for column in probabilities:
        table[column] = np.mean([each[column] for each in by_seed.values()], axis=0)
    return table.assign(**{f"{BY_SEED}{seed}": each["probability"] for seed, each in by_seed.items()})


def scored(table: pd.DataFrame) -> Scored:
    """The films of an `out_of_fold` table, each as many times as there are seeds, all of the same patient.

    A mean over seeds would be surer than the one network that is to be used.
    """
    columns = [column for column in table if column.startswith(BY_SEED)]
    sick = (~table["class"].isin(WITHOUT_PNEUMONIA)).to_numpy(int)
    return Scored(
        np.tile(sick, len(columns)),
        np.concatenate([table[column].to_numpy(float) for column in columns]),
        np.tile(table["patient"].to_numpy(str), len(columns)),
    )


def choose_on(table: pd.DataFrame, rule: Rule, wanted: Wanted, cross_fit: bool = True) -> Choice:
    """The operating point that `rule` chooses on an `out_of_fold` table (see `operating_point`)."""
    return (choose_cross_fitted if cross_fit else choose)(rule, scored(table), wanted)


def measure(table: pd.DataFrame, choice: Choice, draws: int = 2000) -> dict[str, float]:
    """How good and how well calibrated an `out_of_fold` table is, at the operating point `choice`.

    `roc_auc` with its 95 % interval by patient, `roc_auc_low` and `roc_auc_high`, over the films of all seeds;
    `threshold`, `sensitivity` and `specificity` are those of the choice; `temperature` is the one that the
    probabilities would still have to be scaled by: 1 where each fold's own was right.
    """
    films = scored(table)
    auc = intervals(films.sick, films.probability, films.probability >= choice.threshold, films.patients, draws)
    value, low, high = auc.loc["roc_auc"]
    both = np.stack([1 - films.probability, films.probability], axis=1)
    return {
        "roc_auc": value,
        "roc_auc_low": low,
        "roc_auc_high": high,
        "brier": brier_score(films.sick, films.probability),
        "calibration_error": expected_calibration_error(films.sick, films.probability),
        "temperature": fit_temperature(films.sick, both),
        "threshold": choice.threshold,
        "sensitivity": choice.sensitivity,
        "specificity": choice.specificity,
    }


def _seeds(trainings: Sequence[Training]) -> list[int]:
    return sorted({each.seed for each in trainings})


def _of_seed(trainings: Sequence[Training]) -> pd.DataFrame:
    validated = [each.films[each.films["part"] == "val"].assign(fold=each.fold) for each in trainings]
    table = pd.concat(validated).sort_values("file", ignore_index=True)
    twice = table[table["file"].duplicated()]
    if len(twice):
        raise UserError(f"{twice.iloc[0]['file']} validates two folds of one seed")
    return table
