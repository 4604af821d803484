"""Labels that were mistakes, put right by a CSV of the user: `file`, `label` (or `drop`) and `why`.

`split` applies them, since it alone knows which films are test films, and after it has chosen the parts by the labels
as they came: so the same patients are tested with corrections and without.
"""

import logging
from pathlib import Path

import pandas as pd

from pneumonia.annotations.labels import LABELS
from pneumonia.errors import UserError

log = logging.getLogger(__name__)

DROP = "drop"
ON_PURPOSE = "yes"


def correct(films: pd.DataFrame, table: Path) -> pd.DataFrame:
    """`films`, of columns `file`, `label` and `part`, with the corrections of the CSV `table`.

    A dropped film becomes `excluded`. A test film stays as it is, and that is told, unless its row says `yes` in a
    fourth column, `test`: what a model is measured by changes on purpose alone.

    Raises:
        UserError: no such file, other columns, an unknown film or label, a film twice, or a correction without a
            reason.
    """
    rows = _read(table)
    unknown = rows[~rows["file"].isin(films["file"])]
    if len(unknown):
        raise UserError(f"{table}: {unknown.iloc[0]['file']!r} is no film of data/clean/index.csv, column file")
    by_file = rows.set_index("file")
    new = films["file"].map(by_file["label"])
    named = films["file"].map(by_file["test"] == ON_PURPOSE).fillna(False).astype(bool)
    spared = new.notna() & (films["part"] == "test") & ~named
    if spared.any():
        log.warning("%d corrections are of test films, which stay as they are (column test: yes)", spared.sum())
    new = new.mask(spared)
    dropped = new == DROP
    log.info("%d labels corrected, %d films dropped", (new.notna() & ~dropped).sum(), dropped.sum())
    return films.assign(
        label=films["label"].where(new.isna() | dropped, new), part=films["part"].mask(dropped, "excluded")
    )


def _read(table: Path) -> pd.DataFrame:
    columns = "file, label, why"
    try:
        rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{table}: split.corrections cannot be read ({error}); it may be a CSV of {columns}") from error
    if missing := {"file", "label", "why"} - set(rows):
        raise UserError(f"{table}: has no column {sorted(missing)[0]!r}; split.corrections needs {columns}")
    rows = rows if "test" in rows else rows.assign(test="")
    for wrong, what in (
        (~rows["label"].isin([*LABELS, DROP]), f"label may be {', '.join(LABELS)} or {DROP}"),
        (rows["why"].str.strip() == "", "why may not be empty"),
        (~rows["test"].isin(["", "no", ON_PURPOSE]), f"test may be empty, no or {ON_PURPOSE}"),
        (rows["file"].duplicated(), "a film has one row"),
    ):
        if wrong.any():
            row = rows[wrong].iloc[0]
            raise UserError(f"{table}: the row of {row['file']!r} is {', '.join(row)!r}; {what}")
    return rows
