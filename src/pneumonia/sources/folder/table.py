"""A table of films: which file, which label, whose, and what else is known. Its mistakes are told all at once."""

import warnings
from collections import Counter, defaultdict
from pathlib import Path

import pandas as pd

from pneumonia.errors import UserError, few
from pneumonia.sources.folder.files import FilmNames
from pneumonia.sources.folder.mistakes import Mistakes
from pneumonia.sources.folder.naming import SPLITS, Naming, UnknownName, together
from pneumonia.sources.folder.settings import KNOWN, Settings

METADATA, FILE_NAME = "metadata.csv", "file_name"
"""The table, and its column of files, in a folder as Hugging Face's ImageFolder has it."""


def find_tables(folder: Path, settings: Settings) -> list[Path]:
    """The tables of the films in `folder`: one, or one in each folder of a split; none where there is no table.

    Raises:
        UserError: the table that is named is not there.
    """
    name = settings.table or METADATA
    place = folder / Path(name).expanduser()
    places = (
        [place] if place.is_file() else sorted(each for each in folder.glob(f"*/{name}") if _in_a_split(each, folder))
    )
    if settings.table is None:
        return [each for each in places if FILE_NAME in _read(each)]
    if not places:
        raise UserError(f"{place}: no such table; datasets.folder.table may name a CSV, in datasets.folder.path or not")
    return places


def read_rows(
    table: Path, folder: Path, films: FilmNames, settings: Settings, naming: Naming, mistakes: Mistakes
) -> pd.DataFrame:
    """The rows of a `table`, as text: `name` (one of `films` below `folder`), `row`, and what is told of `KNOWN` and of
    the user's further columns. `label` is that of the `naming`, None for films to be left out.

    What is wrong in a row is noted in `mistakes`; such a row has an empty `name`, or no label.

    Raises:
        UserError: a table that cannot be read, or a column that is not there.
    """
    whole = _read(table)
    rows = _with_our_names(table, whole, settings).assign(row=range(2, len(whole) + 2))
    rows = rows[_chosen(table, whole, settings.only)].reset_index(drop=True)
    below = f"{table.parent.name}/" if _in_a_split(table, folder) else ""
    rows["name"] = _names(rows, films, below, mistakes)
    if "split" not in rows and below:
        rows["split"] = table.parent.name
    if "label" in rows:
        rows["label"] = _labels(rows, naming, mistakes)
    if "split" in rows:
        rows["split"] = _splits(rows, mistakes)
    if "reader" not in rows:
        _note_duplicates(rows, mistakes)
    return rows


def by_most_readers(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a film, with the label that most readers gave it, all findings of one reader taken together; None where
    two labels were given as often.
    """
    firsts = rows.drop_duplicates("name").set_index("name", drop=False)
    for name, of_film in rows.groupby("name", sort=False):
        votes = Counter(together(of_reader["label"]) for _, of_reader in of_film.groupby("reader"))
        (most, times), *others = votes.most_common(2)
        firsts.at[name, "label"] = None if others and others[0][1] == times else most
    return firsts.reset_index(drop=True)


def _in_a_split(table: Path, folder: Path) -> bool:
    return table.parent.parent == folder and table.parent.name.lower() in SPLITS


def _read(table: Path) -> pd.DataFrame:
    try:
        whole = pd.read_csv(table, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        if isinstance(whole.index, pd.RangeIndex):
            return whole
        # Rows have more cells than the header, as where each ends in a comma: pandas takes the first for an index.
        if (whole.iloc[:, -whole.index.nlevels :] != "").any(axis=None):
            raise ValueError("rows have more cells than the header has names")
        with warnings.catch_warnings(action="ignore", category=pd.errors.ParserWarning):
            return pd.read_csv(table, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False)
    except (OSError, ValueError) as error:  # pandas and decoding raise ValueErrors
        raise UserError(f"{table}: cannot be read as a table ({' '.join(str(error).split())})") from error


def _with_our_names(table: Path, whole: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """The columns that are asked for, or have a name of `KNOWN`, by our names."""
    named = {name: name for name in KNOWN if name in whole} | settings.columns
    if "file" not in named and FILE_NAME in whole:
        named["file"] = FILE_NAME
    missing = [theirs for theirs in {"file": "file", **named}.values() if theirs not in whole]
    if missing:
        has = ", ".join(map(str, whole.columns))
        raise UserError(f"{table}: has no column {missing[0]!r}; it has {has}: datasets.folder.columns may name others")
    return pd.DataFrame({ours: whole[theirs].str.strip() for ours, theirs in named.items()})


def _chosen(table: Path, whole: pd.DataFrame, only: dict[str, list[str]]) -> pd.Series:
    chosen = pd.Series(True, index=whole.index)
    for column, values in only.items():
        if column not in whole:
            has = ", ".join(map(str, whole.columns))
            raise UserError(f"{table}: has no column {column!r} for datasets.folder.only; it has {has}")
        chosen &= whole[column].str.strip().isin(values)
    if not chosen.any():
        raise UserError(f"{table}: has no rows" + (", or datasets.folder.only leaves none" if only else ""))
    return chosen


def _names(rows: pd.DataFrame, films: FilmNames, below: str, mistakes: Mistakes) -> list[str]:
    names, missing, ambiguous = [], [], []
    for row, file in zip(rows["row"], rows["file"], strict=True):
        found = films.called(file, below)
        names.append(found[0] if len(found) == 1 else "")
        if not found:
            missing.append((row, file))
        elif len(found) > 1:
            ambiguous.append((row, file))
    for what, cases in (("no such film", missing), ("more than one film is called so", ambiguous)):
        if cases:
            mistakes.add(f"{what}: {few([repr(file) for _, file in cases], 3)}", [row for row, _ in cases])
    return names


def _labels(rows: pd.DataFrame, naming: Naming, mistakes: Mistakes) -> pd.Series:
    """The label that each cell means, None for films that are left out."""
    meanings: dict[str, str | None] = {}
    unknown: dict[str, list[int]] = defaultdict(list)
    for names, of_names in rows.groupby("label", sort=False):
        try:
            meanings[str(names)] = naming.label(str(names))
        except UnknownName as error:
            unknown[str(error)] += of_names["row"].tolist()
    for name, where in unknown.items():
        mistakes.add(f"label {name!r} has no meaning", where)
    if unknown:
        mistakes.hints.append(f"a label may be {naming.told()}, or be told in datasets.folder.labels or positive")
    return rows["label"].map(meanings).astype(object).where(lambda label: label.notna(), None)


def _splits(rows: pd.DataFrame, mistakes: Mistakes) -> pd.Series:
    sides = rows["split"].str.lower().map(SPLITS)
    unknown = rows[sides.isna()]
    for split, where in unknown.groupby("split", sort=False):
        mistakes.add(f"split {split!r} is unknown, it may be {', '.join(SPLITS)}", where["row"])
    return sides.fillna("")


def _note_duplicates(rows: pd.DataFrame, mistakes: Mistakes) -> None:
    there = rows[rows["name"] != ""]
    for name, of_film in there[there["name"].duplicated(keep=False)].groupby("name", sort=False):
        mistakes.add(f"{name!r} has several rows, which only a column reader explains", of_film["row"])
