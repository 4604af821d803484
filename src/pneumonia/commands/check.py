"""`pneumonia check`: what a folder or a table of films would become, by the rules of the stages, without a run."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from pneumonia.annotations.labels import WITHOUT_PNEUMONIA, class_names, to_classes
from pneumonia.errors import UserError
from pneumonia.names import printable
from pneumonia.params.load import Params
from pneumonia.preparation.cleaning.clean import find_same_pixels, pack, why_duplicates_go
from pneumonia.preparation.cleaning.report import reason_kind
from pneumonia.preparation.splitting import assign_parts
from pneumonia.sources.folder.settings import Settings
from pneumonia.sources.folder.source import Collection, collect, settings_for
from pneumonia.validation.fewest import too_few


@dataclass(frozen=True)
class Checked:
    """What became of the films, each with its class and the facts of its file, and why others would be rejected."""

    found: Collection
    films: pd.DataFrame
    rejected: pd.Series
    """The reasons, by file."""
    misplaced: str
    """Why the labels do not fit the task; empty where they do. Else a class says whether it is pneumonia."""

    def enough(self, params: Params) -> dict[str, str]:
        """Why the films are not enough to train, to validate and to test, by what for; empty where they are."""
        sick = ~self.films["class"].isin(WITHOUT_PNEUMONIA)
        test = too_few(self.films["patient"], sick.to_numpy())
        if self.misplaced:
            return {"train": self.misplaced, "validate": self.misplaced, "test": test}
        counts = self.films["class"].value_counts()
        fewest = min((counts.get(name, 0), name) for name in params.classes)
        per_class = params.split.val_per_class
        return {
            "train": self._why_no_training(params),
            "validate": "" if fewest[0] >= per_class else f"class {fewest[1]!r} has {fewest[0]} films; "
            f"split.val_per_class, by which an operating point is chosen, needs {per_class}",
            "test": test,
        }  # fmt: skip

    def _why_no_training(self, params: Params) -> str:
        share, most = len(self.rejected) / len(self.found.films), params.clean.max_rejected
        if share > most:
            return f"{share:.0%} of the films are rejected; clean.max_rejected is {most:g}"
        try:
            assign_parts(self.films, params)
        except UserError as error:
            return str(error)
        return ""


def check(path: Path, params: Params) -> tuple[list[str], bool]:
    """What is to be told of the films in a folder, or in a table beside them; and whether one could test on them.

    `datasets.folder` of the `params` says how to read them, `split` and `clean` what is enough.

    Raises:
        UserError: what the stages download and split cannot use.
    """
    settings = settings_for(path, params.datasets.folder)  # type: ignore[attr-defined]
    task = "binary" if params.task == "localize" else params.task  # a folder has no boxes
    split = params.split.model_copy(update={"leave_out": None})
    params = params.model_copy(update={"dataset": "folder", "task": task, "split": split})
    checked = _read(settings, params)
    enough = checked.enough(params)
    verdicts = [f"to {what}: {f'not enough: {why}' if why else 'enough'}" for what, why in enough.items()]
    return [*_told(path, checked), *verdicts], not enough["test"]


def _read(settings: Settings, params: Params) -> Checked:
    found = collect(settings)
    rows = [
        {"file": name, "label": film.label, "patient": film.patient, "official_split": film.official_split}
        | dict(film.facts)
        for name, film in found.films.items()
    ]
    films = pd.DataFrame(rows).fillna("").sort_values("file", ignore_index=True)
    labels, task, misplaced = films["label"].tolist(), params.task, ""
    try:
        numbers = to_classes(labels, task)
    except UserError as error:  # coarser than the task's: one can still test on them
        task, misplaced = "binary", str(error)
        numbers = to_classes(labels, task)
    with TemporaryDirectory() as scratch:
        readable, reasons = pack(films, found.path, Path(scratch) / "pixels", params)
    reasons |= why_duplicates_go(readable, find_same_pixels(readable, found.path, params.compute))
    kept = readable.drop(index=list(reasons), errors="ignore")
    kept["class"] = np.array(class_names(task))[numbers[kept.index]]
    return Checked(
        found,
        kept.reset_index(drop=True),
        pd.Series({films.at[row, "file"]: reasons[row] for row in reasons}),
        misplaced,
    )


def _told(path: Path, checked: Checked) -> Iterator[str]:
    films, rejected = checked.films, checked.rejected
    patients = films["patient"].nunique()
    yield f"{path}: {len(checked.found.films):,} films, {len(films):,} of them usable, of {patients:,} patients"
    yield from (f"warning: {printable(warning)}" for warning in checked.found.warnings)
    for column in ("class", "label", "site", "official_split"):
        if column not in films or (column == "label" and films["label"].equals(films["class"])):
            continue
        if column == "class" or films[column].nunique() > 1:
            table = films.groupby(films[column].replace("", "none"))["patient"].agg(["size", "nunique"])
            yield f"by {column.replace('_', ' ')}: " + "; ".join(
                f"{printable(str(name))} {size:,} of {patients:,} patients"
                for name, size, patients in table.itertuples()
            )
    if len(films):
        sides = films[["width", "height"]].min(axis=1).sort_values().to_numpy()
        low, middle, high = sides[0], sides[len(sides) // 2], sides[-1]
        formats = ", ".join(f"{count:,} {name}" for name, count in films["format"].value_counts().items())
        yield f"shorter side: {low} to {high} pixels, median {middle}; {formats}"
    kinds = rejected.map(reason_kind)
    for kind, count in kinds.value_counts().items():
        first = rejected.index[kinds == kind][0]
        yield f"would be rejected: {count:,}, {kind} (the first is {printable(first)}: {rejected[first]})"
