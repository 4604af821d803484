"""Labelled films as they lie about: a folder as the source `folder` takes it, or a table in CSV."""

from pathlib import Path

import pandas as pd

from pneumonia.annotations.labels import LABELS
from pneumonia.errors import UserError, few
from pneumonia.names import spell_paths
from pneumonia.radiographs.deidentification import patient_hash
from pneumonia.radiographs.film_files import is_dicom_name
from pneumonia.sources.folder.source import CLASSES, film_below
from pneumonia.sources.shared.copying import find_all_films

TABLE = ".csv"
COLUMNS = ["path", "file", "label", "patient", "is_named"]
"""What a row says of a film: where it is, what it is called, its label, its patient, and whether that is a name: a film
that names no patient counts as one of its own. A table's further columns are kept as they are."""


def labelled_films(place: Path) -> pd.DataFrame:
    """The films in `place`, a row each with `COLUMNS`, by `file`.

    Raises:
        UserError: no such place, no films in it, another layout, or mistakes in a table, all of them at once.
    """
    if place.is_dir():
        return _in_folder(place)
    if place.is_file() and place.suffix.lower() == TABLE:
        return read_table(place)
    problem = "is neither" if place.exists() else "is not there"
    raise UserError(f"{place}: {problem}; it may be a folder of class folders, or a table in {TABLE}")


def _in_folder(folder: Path) -> pd.DataFrame:
    found = find_all_films(folder)
    if not found.films:
        raise UserError("; ".join([f"{folder}: holds no films", *found.told_with_missing()]))
    rows = []
    for name, copy in spell_paths(found.films).items():
        film = film_below(folder, name, copy)
        rows.append((folder / name, copy, film.label, film.patient, film.patient != copy))
    return pd.DataFrame(rows, columns=COLUMNS).sort_values("file", ignore_index=True)


def read_table(table: Path) -> pd.DataFrame:
    """The films of a table in CSV with the columns `file` (relative to it) and `label`, and more where there are any.

    `patient` says whose a film is; without it a DICOM file does. A label is one of `labels.LABELS`, or what a class
    folder may be called.

    Raises:
        UserError: it cannot be read, lacks a column, or has rows with mistakes, all of them at once.
    """
    try:
        rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:  # Pandas' parser errors and those of decoding are ValueErrors
        raise UserError(f"{table}: cannot be read as CSV ({' '.join(str(error).split())[:200]})") from error
    if missing := [name for name in ("file", "label") if name not in rows]:
        raise UserError(f"{table}: has no column {few(missing)}; it has {few(list(rows), 20)}")
    if rows.empty:
        raise UserError(f"{table}: has no rows")
    known = {label: label for label in LABELS} | CLASSES
    paths = [table.parent / file for file in rows["file"]]
    labels = rows["label"].str.strip().str.lower().map(known)
    mistakes = _told(rows, labels.isna(), "label", f"a label that is none of {', '.join(known)}")
    mistakes += _told(rows, pd.Series([not path.is_file() for path in paths]), "file", "a file that is not there")
    mistakes += _told(rows, rows["file"].duplicated(), "file", "a file that an earlier row has")
    if mistakes:
        raise UserError(f"{table}: {'; '.join(mistakes)}")
    given = rows["patient"].str.strip() if "patient" in rows else pd.Series("", index=rows.index)
    found = [
        name or (patient_hash(path) if is_dicom_name(path.name) else "")
        for name, path in zip(given, paths, strict=True)
    ]
    named = pd.Series(found, index=rows.index)
    films = rows.assign(path=paths, label=labels, patient=named.where(named != "", rows["file"]), is_named=named != "")
    return films.sort_values("file", ignore_index=True)


def _told(rows: pd.DataFrame, wrong: pd.Series, column: str, what: str) -> list[str]:
    """How many rows are `wrong` in which way, and the first of them, numbered as a spreadsheet does."""
    if not wrong.any():
        return []
    first = [f"{number + 2} ({rows.at[number, column]!r})" for number in wrong.index[wrong]]
    return [f"{int(wrong.sum())} rows with {what}: {few(first, 3)}"]
