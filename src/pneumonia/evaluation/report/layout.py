"""The layout of a page for a run: everything in it, to be read offline."""

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, select_autoescape

HEADLINES = {"roc_auc": "AUC", "sensitivity": "sensitivity", "specificity": "specificity", "accuracy": "accuracy"}


LONG = 12
"""Tables of more rows are folded: nobody reads them on a first visit."""


@dataclass(frozen=True)
class Section:
    """What stands under a heading: words, tables with their captions, and pictures by name, as base64 of PNG."""

    title: str
    text: str = ""
    tables: list[tuple[str, pd.DataFrame]] = field(default_factory=list)
    pictures: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Page:
    """What a page says."""

    title: str
    subtitle: str
    headlines: Sequence[tuple[str, str, str]]
    """A name, a value and its interval each, as `headlines_of` gives them."""
    about_headlines: str
    answers: Sequence[tuple[str, str]]
    """What a reader wants to know first: a question and its answer each."""
    findings: Sequence[str]
    """What stands on top as a warning."""
    without_findings: str
    """What is said in their place where there are none."""
    sections: Sequence[Section]
    details: tuple[str, str, str]
    """What is at the end: a heading, a line, and what unfolds below it."""

    def render(self) -> str:
        """The page, HTML."""
        loader = PackageLoader("pneumonia.evaluation.report", ".")
        environment = Environment(loader=loader, autoescape=select_autoescape(["j2"]))
        environment.filters["cell"] = _cell
        return environment.get_template("report.html.j2").render(vars(self) | {"long": LONG})


def headlines_of(intervals: pd.DataFrame, shown: dict[str, str]) -> list[tuple[str, str, str]]:
    """The `Page.headlines` of the metrics that there are in `intervals`, of one part, by their names in `shown`."""
    rows = intervals.set_index("metric")
    return [
        (name, f"{rows.at[metric, 'value']:.3f}", f"{rows.at[metric, 'low']:.3f} to {rows.at[metric, 'high']:.3f}")
        for metric, name in shown.items()
        if metric in rows.index
    ]


def pictures_in(folder: Path, *names: str) -> list[tuple[str, str]]:
    """The pictures that are there: a network whose units are all dead has no receptive field."""
    files = [folder / f"{name}.png" for name in names]
    return [(file.stem, base64.b64encode(file.read_bytes()).decode()) for file in files if file.is_file()]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "–" if math.isnan(value) else f"{value:.3f}"
    return str(value)
