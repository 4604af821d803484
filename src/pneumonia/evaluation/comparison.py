"""Two runs on the same films: which is better, and whether these films can tell."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from pneumonia.annotations.labels import WITHOUT_PNEUMONIA
from pneumonia.errors import UserError, few
from pneumonia.evaluation.bootstrap import (
    BinaryPredictions,
    WeightedMetrics,
    paired_difference,
    weighted_binary_metrics,
    weighted_class_metrics,
    weighted_subtype_metrics,
)
from pneumonia.evaluation.boxes.metrics import PLACE, Detections, localization_difference
from pneumonia.evaluation.metrics import subtypes_told_apart

TABLES = ("predictions.csv", "evaluation/boxes.csv", "evaluation/true_boxes.csv")
"""What a comparison reads in `reports`; a localiser has all of them, another model only the first."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a run predicted for the films of val and test."""

    films: pd.DataFrame
    """A row a film: `file`, `patient`, `class`, `part`, `probability`, `predicted`."""
    boxes: pd.DataFrame | None = None
    """For a localiser, a row a detection: `file`, `x`, `y`, `width`, `height`, `confidence`, `shown`."""
    true_boxes: pd.DataFrame | None = None
    """For a localiser, a row a true box: `file`, `x`, `y`, `width`, `height`."""

    @classmethod
    def read(cls, tables: Sequence[Path]) -> Self:
        """Read `tables`: the paths of those of `TABLES` that there are, in that order."""
        films = pd.read_csv(tables[0], dtype={"patient": str, "file": str}, keep_default_na=False)
        return cls(films, *(pd.read_csv(table, dtype={"file": str}) for table in tables[1:]))


def compare(first: Predictions, second: Predictions, part: str) -> pd.DataFrame:
    """The paired comparison of two runs' predictions on the films of a part, by patient: a row a metric.

    A row has both values, the difference, its 95 % interval and what it means (see `bootstrap.paired_difference`). The
    metrics are those of pneumonia of any subtype; with more than two classes also `classes/roc_auc`, `classes/accuracy`
    and, with two subtypes, `bacterial_against_viral/roc_auc`. Runs with other classes are compared `as_binary`. Where
    both runs have boxes there are also `boxes/…`, the metrics of `boxes.metrics` without the pixel accuracy.

    Raises:
        UserError: the runs did not predict the same films, or a film is ill in one of them alone.
    """
    one, other = (
        each[each["part"] == part].sort_values("file", ignore_index=True)
        for each in in_common([first.films, second.films])
    )
    require_same_films(one, other, part, tells_other_classes([first.films, second.films]))
    patients = one["patient"].to_numpy(str)
    table = paired_difference(weighted_metrics(one), weighted_metrics(other), patients)
    if first.boxes is None or second.boxes is None or first.true_boxes is None:
        return table
    truths = _of_films(first.true_boxes, one["file"], PLACE)
    ours, theirs = (_detections(boxes, one["file"]) for boxes in (first.boxes, second.boxes))
    # Pixels cannot be counted without the films' sizes, which the tables do not have, so any size will do.
    of_boxes = localization_difference(truths, ours, theirs, 1, patients).drop("pixel_accuracy")
    return pd.concat([table, of_boxes.add_prefix("boxes/", axis=0)])


def tells_other_classes(tables: Sequence[pd.DataFrame]) -> bool:
    """Whether the classes of `tables`, each the rows of a `predictions.csv`, are not the same."""
    return len({frozenset(films["class"]) for films in tables}) > 1


def in_common(tables: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """The `tables` as they are, or where they tell other classes apart, each `as_binary`."""
    return [as_binary(films) for films in tables] if tells_other_classes(tables) else list(tables)


def as_binary(films: pd.DataFrame) -> pd.DataFrame:
    """`films`, rows of a `predictions.csv`, with two classes: `pneumonia`, of any kind or an opacity, and `normal`."""
    of_classes = [column for column in films if column.startswith("probability_")]
    merged = {
        column: films[column].isin(WITHOUT_PNEUMONIA).map({True: "normal", False: "pneumonia"})
        for column in ("class", "predicted")
    }
    return films.drop(columns=of_classes).assign(**merged)


def require_same_films(one: pd.DataFrame, other: pd.DataFrame, part: str, across_tasks: bool) -> None:
    """Check that the rows of two runs, in order of `file`, are of the same films with the same classes.

    Raises:
        UserError: they are not.
    """
    columns = ["file", "patient", "class"]
    if one[columns].equals(other[columns]):
        return
    if one[columns[:2]].equals(other[columns[:2]]):
        unlike = one["file"][one["class"] != other["class"]]
        raise UserError(
            f"the runs cannot be compared: {len(unlike)} of their {len(one)} {part} films have another label in the "
            f"second: {few(unlike.tolist())}"
        )
    shared = len(one.merge(other, on=columns))
    split = "; each task splits by its own classes, unless the source or `split.file` gives the parts"
    raise UserError(
        f"the runs cannot be compared: of their {part} films, {len(one)} and {len(other)}, {shared} are the same"
        + split * across_tasks
    )


def _detections(boxes: pd.DataFrame, files: pd.Series) -> Detections:
    threshold = boxes.loc[boxes["shown"].astype(bool), "confidence"].min()  # NaN if none is shown; then none reaches it
    return Detections(_of_films(boxes, files, [*PLACE, "confidence"]), threshold)


def _of_films(boxes: pd.DataFrame, files: pd.Series, columns: list[str]) -> list[np.ndarray]:
    """The `columns`, float (K, C), of the boxes of each of `files`."""
    of_film = {file: rows[columns].to_numpy(float) for file, rows in boxes.groupby("file")}
    none = np.empty((0, len(columns)))
    return [of_film.get(file, none) for file in files]


def weighted_metrics(films: pd.DataFrame) -> Callable[[np.ndarray], WeightedMetrics]:
    """The metrics of `films`, rows of `predictions.csv`, as a function of how often each counts (see `compare`)."""
    sick = (~films["class"].isin(WITHOUT_PNEUMONIA)).to_numpy().astype(int)
    predictions = BinaryPredictions(
        films["probability"].to_numpy(), ~films["predicted"].isin(WITHOUT_PNEUMONIA).to_numpy()
    )
    names = [column.removeprefix("probability_") for column in films if column.startswith("probability_")]
    if not names:
        return lambda weights: weighted_binary_metrics(sick, predictions, weights)
    truth, predicted = (films[column].map(names.index).to_numpy() for column in ("class", "predicted"))
    probabilities = films[[f"probability_{name}" for name in names]].to_numpy()

    def metrics(weights: np.ndarray) -> WeightedMetrics:
        over_classes = weighted_class_metrics(truth, probabilities, predicted, weights)
        found = weighted_binary_metrics(sick, predictions, weights) | {
            f"classes/{key}": each for key, each in over_classes.items()
        }
        if pair := subtypes_told_apart(names):
            found[f"{pair}/roc_auc"] = weighted_subtype_metrics(truth, probabilities, weights)["roc_auc"]
        return found

    return metrics
