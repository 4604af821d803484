"""The tables of the RSNA Pneumonia Detection Challenge: what they say of each film, checked against each other.

`stage_2_train_labels.csv` has a row for each box (patientId, x, y, width, height, Target) and for each film without
boxes. `stage_2_detailed_class_info.csv` (patientId, class) repeats a film as often. `nih_patients.csv` (patientId,
nih_patient) does not belong to the challenge and is optional.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pneumonia.errors import UserError

BOXES = "stage_2_train_labels.csv"
CLASSES = "stage_2_detailed_class_info.csv"
PATIENTS = "nih_patients.csv"

LABELS = {"Normal": "normal", "No Lung Opacity / Not Normal": "not_normal", "Lung Opacity": "opacity"}
"""The label that each class means."""

_SIDES = ["x", "y", "width", "height"]
_COLUMNS = {
    BOXES: ["patientId", *_SIDES, "Target"],
    CLASSES: ["patientId", "class"],
    PATIENTS: ["patientId", "nih_patient"],
}


@dataclass(frozen=True)
class Tables:
    """What is known of the films, by patientId, which is the name of a film's file."""

    labels: dict[str, str]
    """The labels of the films that are in both tables of the challenge."""
    boxes: pd.DataFrame
    """patientId, x, y, width, height, the last four float64, in the films' pixels."""
    patients: dict[str, str]
    """The NIH patients; empty without `nih_patients.csv`."""


def read_tables(files: dict[str, Path]) -> Tables:
    """The tables in `files`, by their names: `BOXES`, `CLASSES` and, where there is one, `PATIENTS`.

    Raises:
        UserError: no table, a missing column, an unknown class, a box that is none, a film with two classes or two
            patients, or one whose class, Target and boxes contradict each other.
    """
    tables = {name: _read_table(file, _COLUMNS[name]) for name, file in files.items()}
    labels = _labels(tables[CLASSES])
    boxes = _boxes(tables[BOXES], labels)
    in_both = set(tables[BOXES]["patientId"])
    nih = _one_each(tables[PATIENTS].dropna(), PATIENTS) if PATIENTS in tables else {}
    return Tables(
        labels={film: label for film, label in labels.items() if film in in_both},
        boxes=boxes,
        patients={film: f"nih-{patient}" for film, patient in nih.items()},
    )


def _read_table(file: Path, columns: list[str]) -> pd.DataFrame:
    try:
        table = pd.read_csv(file, dtype=str)
    except (OSError, ValueError) as error:  # pandas and decoding raise ValueErrors
        raise UserError(f"{file.name}: cannot be read as a table ({' '.join(str(error).split())})") from error
    for column in columns:
        if column not in table:
            raise UserError(f"{file.name}: has no column {column!r}; it has {', '.join(map(str, table.columns))}")
    return table[columns]


def _labels(classes: pd.DataFrame) -> dict[str, str]:
    unknown = classes[~classes["class"].isin(list(LABELS))]
    if len(unknown):
        film, name = unknown.iloc[0]
        raise UserError(f"{CLASSES}: class {name!r} of {film} is unknown; it may be {', '.join(map(repr, LABELS))}")
    return {film: LABELS[name] for film, name in _one_each(classes, CLASSES).items()}


def _one_each(rows: pd.DataFrame, file: str) -> dict[str, str]:
    """The second column of `rows` by the first; equal rows may repeat."""
    film, value = rows.columns
    rows = rows.drop_duplicates()
    twice = rows.loc[rows[film].duplicated(), film]
    if len(twice):
        values = " and ".join(map(repr, rows.loc[rows[film] == twice.iloc[0], value]))
        raise UserError(f"{file}: {twice.iloc[0]} has more than one {value}: {values}")
    return dict(zip(rows[film], rows[value], strict=True))


def _boxes(rows: pd.DataFrame, labels: dict[str, str]) -> pd.DataFrame:
    """The rows of `BOXES` that hold a box, as numbers."""
    given = rows[_SIDES].notna()
    numbers = rows[_SIDES].apply(pd.to_numeric, errors="coerce")
    opacity = rows["Target"] == "1"
    labelled_opacity = rows["patientId"].map(labels) == "opacity"
    for wrong, what in (
        (~rows["Target"].isin(["0", "1"]), "Target must be 0 or 1"),
        ((given & numbers.isna()).any(axis=1), "a box must be numbers"),
        (opacity & ~given.all(axis=1), "Target 1 without a whole box"),
        (~opacity & given.any(axis=1), "Target 0 with a box"),
        (rows["patientId"].isin(list(labels)) & (opacity != labelled_opacity), f"Target disagrees with {CLASSES}"),
    ):
        if wrong.any():
            first = ", ".join(f"{column} {value}" for column, value in rows[wrong].iloc[0].items())
            raise UserError(f"{BOXES}: {what}, in {wrong.sum():,} rows (the first is {first})")
    return rows[["patientId"]].join(numbers)[opacity]
