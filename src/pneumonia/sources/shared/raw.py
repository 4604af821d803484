"""The contract of `data/raw`, which every source fills and `clean` reads.

`index.csv` has a row for each film: `file` (relative to the directory), `label` (one of `labels.LABELS`), `patient`
(films of one patient share it, no two patients do) and `official_split` (`train`, `test`, or empty where the source has
none). Further columns are there if the source knows them: `site` (which hospital, or which collection, it is from),
`view`, `sex`, `age` (in years), and what the user's own table tells of a film; an empty cell is unknown.
`boxes.csv` is there if the source has boxes, a row for each: `file`, `x`, `y`, `width`, `height`, in the film's own
pixels from its top left.
`source.json` says where the films came from.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from pneumonia.names import printable

INDEX_COLUMNS = ["file", "label", "patient", "official_split"]
BOX_COLUMNS = ["file", "x", "y", "width", "height"]


@dataclass(frozen=True)
class Film:
    """One row of `index.csv`."""

    file: str
    label: str
    patient: str
    official_split: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    """The further columns."""


@dataclass(frozen=True)
class Box:
    """One row of `boxes.csv`: pixels of the film, (x, y) the top left corner."""

    file: str
    x: float
    y: float
    width: float
    height: float


def write_index(directory: Path, films: list[Film], source: dict[str, Any], boxes: list[Box] | None = None) -> None:
    """Write `index.csv` sorted by file, `source.json` and, if there are boxes to give, `boxes.csv` into `directory`.

    `source` holds at least `name` and `licence`; for what was downloaded also `url`, `bytes` and `sha256`.
    """
    ordered = sorted(films, key=lambda film: film.file)
    further = list(dict.fromkeys(name for film in ordered for name in film.facts))
    rows = [{column: getattr(film, column) for column in INDEX_COLUMNS} | dict(film.facts) for film in ordered]
    table = pd.DataFrame(rows, columns=INDEX_COLUMNS + further).fillna("")
    table.to_csv(directory / "index.csv", index=False)
    if boxes is not None:
        pd.DataFrame([asdict(box) for box in boxes], columns=BOX_COLUMNS).to_csv(directory / "boxes.csv", index=False)
    (directory / "source.json").write_text(json.dumps(source, indent=2) + "\n")


def read_index(directory: Path) -> pd.DataFrame:
    """The films of `directory`, all columns as strings (a patient called `007` stays `007`)."""
    return pd.read_csv(directory / "index.csv", dtype=str, keep_default_na=False)


def site_name(text: str) -> str:
    """What a site is called everywhere, in names of metrics too: letters, digits, blanks, and `.`, `-`, `_`."""
    return re.sub(r"[^\w .-]", "_", printable(text.strip()))[:60] or "unknown"
