"""What is predicted for each training film by the networks that did not learn from it, and what can be chosen on that.

A network saw the fold that validates it when its best epoch was kept, so figures on these predictions are a little too
good; only test films are free of that. Its temperature, too, was fitted on that fold: here each fold is scaled anew, by
the one that fits the other folds.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pneumonia.annotations.labels import WITHOUT_PNEUMONIA, count_healthy
from pneumonia.errors import UserError
from pneumonia.evaluation.bootstrap import intervals
from pneumonia.evaluation.calibration import brier_score, expected_calibration_error, fit_temperature
from pneumonia.evaluation.operating_point import Choice, Rule, Scored, Wanted, choose, choose_cross_fitted
from pneumonia.evaluation.repeats import Training
from pneumonia.inference.probabilities import probability_of_pneumonia, scale

FACTS = ["file", "patient", "label", "class"]
BY_SEED = "seed_"
PER_CLASS = "probability_"


def out_of_fold(trainings: Sequence[Training]) -> pd.DataFrame:
    """A row for each film that validates a fold, in order of `file`.

    Columns: `file`, `patient`, `label`, `class`, `fold`, the `probability` of pneumonia by the network that did not
    learn from the film, calibrated on the other folds, with more than two classes `probability_CLASS` of each, both the
    mean over the seeds, and `seed_N`, the probability of pneumonia by the network of each seed.

    Raises:
        UserError: a film is validated by two folds of a seed, the seeds have other folds, or a training does not tell
            its temperature.
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
    `threshold`, `sensitivity` and `specificity` are those of the choice.
    """
    films = scored(table)
    auc = intervals(films.sick, films.probability, films.probability >= choice.threshold, films.patients, draws)
    value, low, high = auc.loc["roc_auc"]
    return {
        "roc_auc": value,
        "roc_auc_low": low,
        "roc_auc_high": high,
        "brier": brier_score(films.sick, films.probability),
        "calibration_error": expected_calibration_error(films.sick, films.probability),
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
    return _scaled_by_others(table, {each.fold: each.temperature for each in trainings})


def _scaled_by_others(table: pd.DataFrame, temperatures: dict[int, float | None]) -> pd.DataFrame:
    """`table` with the probabilities of each fold scaled by what fits the others, not by its own of `temperatures`."""
    columns = [column for column in table if column.startswith(PER_CLASS)]
    sick = table["probability"].to_numpy(float)
    shown = table[columns].to_numpy(float) if columns else np.stack([1 - sick, sick], axis=1)
    names = [column.removeprefix(PER_CLASS) for column in columns]
    is_sick = ~table["class"].isin(WITHOUT_PNEUMONIA)
    truth = (table["class"].map(names.index) if names else is_sick).to_numpy(int)
    fold, by_network = table["fold"].to_numpy(), np.empty_like(shown)
    for number, temperature in temperatures.items():
        if temperature is None:
            raise UserError(f"the run of fold {number} does not tell its temperature; it may be trained anew")
        by_network[fold == number] = scale(shown[fold == number], 1 / temperature)
    scaled = np.empty_like(shown)
    for number in temperatures:
        here = fold == number
        scaled[here] = scale(by_network[here], fit_temperature(truth[~here], by_network[~here]))
    probability = probability_of_pneumonia(scaled, count_healthy(names) if names else 1)
    table = table.assign(probability=probability)
    if columns:
        table[columns] = scaled
    return table
