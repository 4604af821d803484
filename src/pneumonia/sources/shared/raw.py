"""The contract of `data/raw`, which every source fills and `clean` reads.

`index.csv` has a row for each film: `file` (relative to the directory), `label` (one of `labels.LABELS`), `patient`
(films of one patient share it, no two patients do) and `official_split` (`train`, `test`, or empty where the source has
none). `boxes.csv` is there if the source has boxes, a row for each: `file`, `x`, `y`, `width`, `height`, in the film's
own pixels from its top left.
`source.json` says where the films came from.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

INDEX_COLUMNS = ["file", "label", "patient", "official_split"]
BOX_COLUMNS = ["file", "x", "y", "width", "height"]


@dataclass(frozen=True)
class Film:
    """One row of `index.csv`."""

    file: str
    label: str
    patient: str
    official_split: str = ""


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
    rows = sorted((asdict(film) for film in films), key=lambda row: row["file"])
    pd.DataFrame(rows, columns=INDEX_COLUMNS).to_csv(directory / "index.csv", index=False)
    if boxes is not None:
        pd.DataFrame([asdict(box) for box in boxes], columns=BOX_COLUMNS).to_csv(directory / "boxes.csv", index=False)
    (directory / "source.json").write_text(json.dumps(source, indent=2) + "\n")


def read_index(directory: Path) -> pd.DataFrame:
    """The films of `directory`, all columns as strings (a patient called `007` stays `007`)."""
    return pd.read_csv(directory / "index.csv", dtype=str, keep_default_na=False)
