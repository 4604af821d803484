"""A user's own assignment of patients: a CSV with `patient` and `part`."""

from pathlib import Path

import pandas as pd

from pneumonia.errors import UserError, few
from pneumonia.preparation.folds import require_all_classes

PARTS = ("train", "val", "test", "excluded")


def own_parts(films: pd.DataFrame, table: Path, folds: int, fold: int) -> pd.Series:
    """The part of each of `films`, from its `patient`, as the CSV `table` has it.

    With `folds` its `part` is a fold's number, `test` or `excluded`, and the films of `fold` are `val`. Films whose
    `official_split` is `test` stay test films, and their patients need no row.

    Raises:
        UserError: no such file, other columns or parts, a patient twice or without a row, a patient in the official
            test that is to train, or a test film more than the official ones.
    """
    given = _read(table, folds)
    official = films["official_split"] == "test"
    of_official = films["patient"].isin(films["patient"][official])
    part = films["patient"].map(given)
    moved = of_official & part.notna() & ~part.isin(["test", "excluded"])
    if moved.any():
        who = films["patient"][moved].iloc[0]
        raise UserError(f"{table}: patient {who!r} is in the source's official test, so its part may be test, not "
                        f"{part[moved].iloc[0]!r}")  # fmt: skip
    if official.any():
        added = ~of_official & (part == "test")
        if added.any():
            who = films["patient"][added].iloc[0]
            raise UserError(f"{table}: patient {who!r} is not in the source's official test, which stays as it is")
    part[of_official] = "excluded"
    part[official] = "test"
    if part.isna().any():
        without = sorted(set(films["patient"][part.isna()]))
        raise UserError(f"{table}: {len(without)} patients have no row: {few(without)}; part may be excluded for them")
    if folds:
        numbered = ~part.isin(PARTS)
        require_all_classes(films[numbered], part[numbered].astype(int), folds)
        part = part.mask(numbered, (part == str(fold)).map({True: "val", False: "train"}))
    return part


def require_copies_together(pairs: pd.DataFrame, table: Path, folds: int) -> None:
    """Check that the CSV `table` has no two parts for patients that cleaning made one.

    They are those of `pairs`, of `near_duplicates.csv`, with the patients as they came.

    Raises:
        UserError: it has.
    """
    given = _read(table, folds)
    one, other = (pairs[f"{which}_patient"].astype(str) for which in ("first", "second"))
    parts = one.map(given), other.map(given)
    apart = parts[0].notna() & parts[1].notna() & (parts[0] != parts[1])
    if apart.any():
        row = apart.idxmax()
        raise UserError(
            f"{table}: patients {one[row]!r} and {other[row]!r} have copies of one film, which clean.near_duplicates "
            f"makes one patient; their parts are {parts[0][row]!r} and {parts[1][row]!r}, and may be one of them"
        )


def _read(table: Path, folds: int) -> pd.Series:
    """The part by patient."""
    try:
        rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{table}: split.file cannot be read ({error}); it may be a CSV of patient, part") from error
    if missing := {"patient", "part"} - set(rows):
        raise UserError(f"{table}: has no column {missing.pop()!r}; split.file needs patient and part")
    may_be = [*map(str, range(folds)), "test", "excluded"] if folds else list(PARTS)
    unknown = rows[~rows["part"].isin(may_be)]
    if len(unknown):
        who, what = unknown.iloc[0][["patient", "part"]]
        raise UserError(f"{table}: part of patient {who!r} is {what!r}; it may be {', '.join(may_be)}")
    twice = rows[rows["patient"].duplicated()]
    if len(twice):
        raise UserError(f"{table}: patient {twice.iloc[0]['patient']!r} has two rows; all its films lie in one part")
    return rows.set_index("patient")["part"]
