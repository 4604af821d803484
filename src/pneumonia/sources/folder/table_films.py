"""The films that a table tells of, from its rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from pneumonia.names import printable
from pneumonia.radiographs.deidentification import pseudonym
from pneumonia.radiographs.person import SEXES, VIEWS, years
from pneumonia.sources.folder.class_folders import label_of, place_of
from pneumonia.sources.folder.files import FilmNames
from pneumonia.sources.folder.mistakes import Mistakes, tell
from pneumonia.sources.folder.naming import Naming
from pneumonia.sources.folder.patients import matched, patient_of
from pneumonia.sources.folder.settings import KNOWN, Settings
from pneumonia.sources.folder.table import by_most_readers, read_rows
from pneumonia.sources.shared.raw import Film, site_name

_LONGEST_FACT = 60


def films_in_tables(
    tables: Sequence[Path], path: Path, copies: Mapping[str, str], naming: Naming, settings: Settings
) -> dict[str, Film | None]:
    """The row of `index.csv` for each film of the `tables` below `path`, None for one that is left out for its label.

    `copies` are what all films below `path` get called. A film without a label in the table has that of its class
    folder. A patient's number becomes a hash (see `radiographs.deidentification`).

    Raises:
        UserError: mistakes in the tables, all of them at once.
    """
    names, all_rows, mistakes = FilmNames(copies), [], [Mistakes(str(table)) for table in tables]
    for table, of_table in zip(tables, mistakes, strict=True):
        rows = read_rows(table, path, names, settings, naming, of_table)
        all_rows.append(rows.assign(person=_patients(rows, path, copies, settings.patient_pattern)))
    _note_patients_in_both(all_rows, mistakes)
    tell(mistakes)
    films: dict[str, Film | None] = {}
    for rows in all_rows:
        films |= _films(rows, path, copies, naming)
    return films


def _note_patients_in_both(all_rows: Sequence[pd.DataFrame], mistakes: Sequence[Mistakes]) -> None:
    """Note who is in train and in test, in one table or in two."""
    rows = pd.concat([rows.assign(table=number) for number, rows in enumerate(all_rows)], ignore_index=True)
    if "split" not in rows:
        return
    for _, of_patient in rows.groupby("person", sort=False):
        if of_patient["split"].nunique() > 1:
            for number, where in of_patient.groupby("table")["row"]:
                mistakes[number].add("a patient is in train and in test", where)


def _films(rows: pd.DataFrame, path: Path, copies: Mapping[str, str], naming: Naming) -> dict[str, Film | None]:
    if "label" not in rows:
        rows["label"] = pd.Series(_labels_of_folders(rows["name"], path, copies, naming), rows.index, object)
    if "reader" in rows:
        rows = by_most_readers(rows)
    films: dict[str, Film | None] = {}
    for row, facts in zip(rows.to_dict("records"), _facts(rows).to_dict("records"), strict=True):
        name, label = str(row["name"]), row["label"]
        film = Film(f"images/{copies[name]}", str(label), row["person"], row.get("split", ""), facts)
        films[name] = film if label else None
    return films


def _labels_of_folders(names: pd.Series, path: Path, copies: Mapping[str, str], naming: Naming) -> list[str | None]:
    return [label_of(path, copies[name], place_of(path / name, copies[name]), naming) for name in names]


def _patients(rows: pd.DataFrame, path: Path, copies: Mapping[str, str], pattern: str | None) -> pd.Series:
    """The patient of each row; that of a film which is not there is not asked for, and is nobody."""
    told = rows["patient"] if "patient" in rows else pd.Series("", index=rows.index)
    numbers = told.map(lambda cell: matched(pattern, cell) if pattern else cell)
    hashes = {number: pseudonym(number) if number else "" for number in numbers.unique()}
    of_path = None if "patient" in rows else pattern
    films = rows.loc[(rows["name"] != "") & (numbers == ""), "name"].unique()
    asked = {name: patient_of(path, name, copies[name], of_path) for name in films}
    person = numbers.map(hashes)
    return person.where(person != "", rows["name"].map(asked))


def _facts(rows: pd.DataFrame) -> pd.DataFrame:
    """What else is known, by the names that `shared.raw` gives it, in text."""
    further = [name for name in rows if name not in (*KNOWN, "row", "name", "person")]
    facts = pd.DataFrame(index=rows.index)
    if "site" in rows:
        facts["site"] = rows["site"].map(site_name)
    if "view" in rows:
        facts["view"] = rows["view"].str.upper().map(lambda view: view if view in VIEWS else "")
    if "sex" in rows:
        facts["sex"] = rows["sex"].str[:1].str.upper().map(lambda sex: sex if sex in SEXES else "")
    if "age" in rows:
        ages = rows["age"].map(years)
        facts["age"] = ages.map(lambda age: "" if pd.isna(age) else f"{age:g}")
    for name in further:
        facts[name] = rows[name].map(lambda value: printable(value)[:_LONGEST_FACT])
    return facts
