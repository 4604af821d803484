"""The page of a validation: as that of an evaluation, with whose films and labels these are."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pneumonia.evaluation.parts import Part
from pneumonia.evaluation.report.answers import first_answers
from pneumonia.evaluation.report.layout import HEADLINES, Page, Section, headlines_of, pictures_in
from pneumonia.evaluation.report.page import NO_SHORTCUT, abstention_section, metrics_section
from pneumonia.inference.decision import Decision
from pneumonia.validation.explanation import Reason
from pneumonia.validation.films import FilmsElsewhere
from pneumonia.validation.recalibration import DRAWS, Recalibration

ABOUT_HEADLINES = (
    "On films from elsewhere, at the operating point that was frozen at home. Below each metric is its 95 % interval "
    "by bootstrap over patients."
)


@dataclass(frozen=True)
class Asked:
    """What is asked, in words for the report."""

    name: str
    place: str
    model: str
    """The registered model and its version."""
    labels_by: str
    """Whose the labels are."""


def render_validation(
    asked: Asked,
    decision: Decision,
    films: FilmsElsewhere,
    part: Part,
    metrics: Mapping[str, float],
    intervals: pd.DataFrame,
    calibration: pd.DataFrame,
    reasons: list[Reason],
    recalibration: Recalibration | None,
    findings: list[str],
    folder: Path,
) -> str:
    """The page, HTML, of what was found and of what lies in `folder`."""
    return Page(
        title=f"{asked.name}: {asked.model} on films from elsewhere",
        subtitle=f"Labels by: {asked.labels_by}",
        headlines=headlines_of(intervals, HEADLINES),
        about_headlines=ABOUT_HEADLINES,
        answers=first_answers(
            metrics,
            intervals,
            pd.read_csv(folder / "alterations_test.csv"),
            pd.read_csv(folder / "groups_test.csv"),
            findings,
        ),
        findings=[*films.remarks, *findings],
        without_findings=NO_SHORTCUT,
        sections=[
            _films(asked, films, part),
            metrics_section(intervals, folder),
            _against(folder),
            _reasons(reasons),
            _calibration(decision, calibration, folder),
            *([_recalibration(recalibration, folder)] if recalibration else []),
            abstention_section(decision, folder),
            _shortcuts(folder),
            _failures(folder),
        ],
        details=("Decision", "what was frozen at home", decision.model_dump_json(indent=2, exclude_none=True)),
    ).render()


def _films(asked: Asked, films: FilmsElsewhere, part: Part) -> Section:
    by_class = part.films.groupby("class").agg(films=("file", "size"), patients=("patient", "nunique")).reset_index()
    labels = part.films["label"].value_counts().rename_axis("label").rename("films").reset_index()
    return Section(
        "Films",
        f"From {asked.place}. Labels by: {asked.labels_by}. Whose the labels are decides what all below means: against "
        "labels that were mined from texts, a good model looks bad. "
        f"{len(films.left_out)} films are left out; left_out.csv names each.",
        tables=[("by class", by_class), ("by label", labels), ("left out", films.counts())],
    )


def _against(folder: Path) -> Section:
    return Section(
        "Against which films",
        "Films with pneumonia against those of each label without it: an opacity is told more easily from a normal "
        "film than from one that is ill otherwise.",
        tables=[("", pd.read_csv(folder / "against.csv"))],
    )


def _reasons(reasons: list[Reason]) -> Section:
    tables = [(f"{reason.about}. {reason.sentence}", reason.table) for reason in reasons]
    return Section(
        "Why it is not as at home",
        "A sentence on each thing that may be why, and what it is read from. A difference is claimed only where its "
        "interval of 95 % leaves out none.",
        tables=tables,
    )


def _calibration(decision: Decision, calibration: pd.DataFrame, folder: Path) -> Section:
    return Section(
        "Calibration",
        f"Temperature {decision.temperature:.3f}, threshold {decision.threshold:.3f} ({decision.rule}): both frozen.",
        tables=[("before and after temperature scaling", calibration.drop(columns="part"))],
        pictures=pictures_in(folder, "reliability"),
    )


def _recalibration(recalibration: Recalibration, folder: Path) -> Section:
    return Section(
        "What labelling films would give",
        f"{recalibration.sentence} The network stays as it is. The curve shows what so many films give: the median "
        f"of up to {DRAWS} draws of patients, and where 95 % of them lie; 0 is the frozen decision. Each size is "
        "measured on the same films, those that the largest leaves. “usable” is the share of draws with enough "
        "patients of both kinds to choose by. The figures are of these alone: in the others nothing could be chosen.",
        tables=[
            ("on the films that were not used, with the interval of the difference", recalibration.figures),
            ("by how many films are labelled", recalibration.curve),
        ],
        pictures=pictures_in(folder, "recalibration"),
    )


def _shortcuts(folder: Path) -> Section:
    return Section(
        "Does it cheat?",
        "What is left of the score when these films are altered. With the lungs blacked, greyed or faded out, or only "
        "the border, an AUC near 0.5 is good: nothing is left to diagnose by. In all other rows the diagnosis is still "
        "there.",
        tables=[("AUC of the model on altered films", pd.read_csv(folder / "alterations_test.csv"))],
        pictures=pictures_in(folder, "alterations"),
    )


def _failures(folder: Path) -> Section:
    return Section(
        "Where it fails",
        "The share of films that is predicted right, by group, with its interval; “predicted_sick” are those predicted "
        "to show pneumonia of any subtype.",
        tables=[
            ("", pd.read_csv(folder / "groups_test.csv")),
            ("against the rest, adjusted for how many were looked at", pd.read_csv(folder / "group_gaps_test.csv")),
        ],
        pictures=pictures_in(folder, "errors"),
    )
