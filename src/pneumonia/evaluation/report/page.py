"""One page for a run: `report.html`, with everything in it, to be read offline."""

import base64
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, PackageLoader, select_autoescape

from pneumonia.evaluation.outcome import Evaluation
from pneumonia.evaluation.shortcuts import SUSPICIOUS
from pneumonia.params.load import Params

HEADLINES = {"roc_auc": "AUC", "sensitivity": "sensitivity", "specificity": "specificity", "accuracy": "accuracy"}
LOCALISER_HEADLINES = {"boxes/map": "mean average precision", "boxes/ap_50": "AP at IoU 0.5"}
"""The further headlines of a localiser."""
BOXES = "boxes/"
"""What the names of a localiser's metrics begin with."""


@dataclass(frozen=True)
class Section:
    """What stands under a heading: words, tables with their captions, and pictures by name, as base64 of PNG."""

    title: str
    text: str = ""
    tables: list[tuple[str, pd.DataFrame]] = field(default_factory=list)
    pictures: list[tuple[str, str]] = field(default_factory=list)


def render_report(
    evaluation: Evaluation, params: Params, facts: dict[str, Any], data: Path, reports: Path, folder: Path
) -> str:
    """The page, HTML, from what `evaluate` found and wrote in `folder`, and earlier stages in `reports`.

    `facts` are those of the training (`models/training.json`), `data` holds `split.csv`.
    """
    loader = PackageLoader("pneumonia.evaluation.report", ".")
    environment = Environment(loader=loader, autoescape=select_autoescape(["j2"]))
    environment.filters["cell"] = _cell
    test = evaluation.intervals[evaluation.intervals["part"] == "test"].set_index("metric")
    headlines = [
        (shown, f"{test.at[name, 'value']:.3f}", f"{test.at[name, 'low']:.3f} to {test.at[name, 'high']:.3f}")
        for name, shown in (HEADLINES | LOCALISER_HEADLINES).items()
        if name in test.index
    ]
    return environment.get_template("report.html.j2").render(
        title=f"{params.model} on {params.dataset}, {params.task}",
        subtitle=f"Trained in {facts['precision']}; first weights: {facts['weights']}",
        headlines=headlines,
        findings=evaluation.findings,
        suspicious=SUSPICIOUS,
        sections=_sections(evaluation, facts, data, reports, folder),
        params=yaml.safe_dump(_used(params), sort_keys=False),
    )


def _sections(evaluation: Evaluation, facts: dict[str, Any], data: Path, reports: Path, folder: Path) -> list[Section]:
    return [
        _data(data, reports),
        _training(facts, reports, folder),
        _metrics(evaluation, folder),
        *([_boxes(evaluation, folder)] if evaluation.decision.localization else []),
        *_probabilities(evaluation, folder),
        *_weaknesses(folder),
    ]


def _used(params: Params) -> dict[str, Any]:
    """The parameters that made the page: not where the work was done, nor the blocks of other networks and sources."""
    values = params.model_dump(exclude={"compute"})
    return values | {
        "datasets": {params.dataset: values["datasets"][params.dataset]},
        "models": {params.model: values["models"][params.model]},
    }


def _data(data: Path, reports: Path) -> Section:
    split = pd.read_csv(data / "split.csv", dtype=str, keep_default_na=False)
    counts = pd.crosstab(split["part"], split["class"]).assign(
        films=split["part"].value_counts(), patients=split.groupby("part")["patient"].nunique()
    )
    return Section(
        "Data",
        tables=[("films by part and class", counts.reset_index())],
        pictures=_pictures(reports / "clean", "samples", "near_duplicates"),
    )


def _training(facts: dict[str, Any], reports: Path, folder: Path) -> Section:
    what = pd.DataFrame(list(facts.items()), columns=["what", "value"])
    return Section(
        "Model and training",
        tables=[("what it is; what it cost is in its MLflow run", what)],
        pictures=_pictures(folder, "history") + _pictures(reports, "batch") + _pictures(folder, "receptive_field"),
    )


def _metrics(evaluation: Evaluation, folder: Path) -> Section:
    of_boxes = evaluation.intervals["metric"].str.startswith(BOXES)
    curves = sorted(path.stem for path in folder.glob("curves*.png"))
    return Section(
        "How good, and how sure that is",
        "Intervals of 95 %, by bootstrap over patients (low, high) and over images. Classes are "
        "predicted at the operating point.",
        tables=[("", evaluation.intervals[~of_boxes])],
        pictures=_pictures(folder, *curves, "confusion_test", "confusion_val"),
    )


def _boxes(evaluation: Evaluation, folder: Path) -> Section:
    of_boxes = evaluation.intervals["metric"].str.startswith(BOXES)
    localization = evaluation.decision.localization
    assert localization is not None
    chosen = localization.postprocessing
    return Section(
        "Where the opacities are",
        f"A box is shown from a confidence of {chosen.threshold:.3f} on, without those that overlap a surer one by an "
        f"IoU of more than {chosen.nms_iou:g}, and keeps {chosen.shrink:.0%} of its width and height: what gave the "
        "best mean average precision (map) on validation films, weighted as if opacities were as frequent as among all "
        "films but those of the test. The baselines are average boxes of the training films, wherever the classifier "
        "predicts an opacity.",
        tables=[
            ("the model’s boxes, with intervals as above", evaluation.intervals[of_boxes]),
            (
                "its difference from the baselines, on the same draws",
                pd.read_csv(folder / "baselines.csv"),
            ),
        ],
        pictures=_pictures(folder, "boxes", "froc", "tuning"),
    )


def _probabilities(evaluation: Evaluation, folder: Path) -> list[Section]:
    decision = evaluation.decision
    return [
        Section(
            "Operating point",
            f"Pneumonia is predicted from a calibrated probability of {decision.threshold:.3f} on, chosen on "
            f"validation films by the rule “{decision.rule}” and then left alone: the row of that threshold. "
            "“sensitivity” is the fewest false alarms at the sensitivity that is asked for, “youden” the greatest sum "
            "of sensitivity and specificity, “cost” the least cost, a miss being dearer. With “cross-fitted”, "
            "the validation metrics are those of films held out of the choosing; with “stressed”, of films both as "
            "they are and stressed.",
            tables=[("", evaluation.choices)],
        ),
        Section(
            "Calibration",
            f"Temperature {decision.temperature:.3f}, fitted on validation films (above 1: the network was too sure).",
            tables=[("before and after", evaluation.calibration)],
            pictures=_pictures(folder, "reliability"),
        ),
        Section(
            "Where pneumonia is rarer",
            "What a prediction is worth where it is as frequent as evaluate.prevalences say: “ppv” is the share of "
            "those predicted sick that are, “npv” the share of those predicted healthy that are. The decision curve "
            "weighs the sick that are found against false alarms, by the probability from which one would treat "
            "(Vickers, Elkin 2006); probabilities are shifted to each prevalence. Both hold as far as sensitivity and "
            "specificity are the same there.",
            tables=[("predictive values at the operating point", pd.read_csv(folder / "predictive_values.csv"))],
            pictures=_pictures(folder, "decision_curve"),
        ),
    ]


def _weaknesses(folder: Path) -> list[Section]:
    return [
        Section(
            "Does it cheat?",
            "How well pneumonia follows from the files' encoding alone, and what is left of the model's score when "
            "films are altered. With the lungs blacked, greyed or faded out, or only the border, an AUC near 0.5 is "
            "good: nothing is left to diagnose by. In all other rows the diagnosis is still there, and the AUC should "
            "be that of films as they are. “probability_change”: by how much a film's probability changes in the mean.",
            tables=[
                ("AUC of the encoding", pd.read_csv(folder / "encoding.csv")),
                ("AUC of the model on altered test films", pd.read_csv(folder / "alterations_test.csv")),
                ("AUC of the model on altered validation films", pd.read_csv(folder / "alterations_val.csv")),
            ],
            pictures=_pictures(folder, "alterations"),
        ),
        Section(
            "Where it fails",
            "The share of test films that is predicted right (of several subtypes the right one), by group, with its "
            "interval; “predicted_sick” are those predicted to show pneumonia of any subtype.",
            tables=[("", pd.read_csv(folder / "groups_test.csv"))],
            pictures=_pictures(folder, "errors"),
        ),
        _gaps(pd.read_csv(folder / "group_gaps_test.csv")),
    ]


def _gaps(gaps: pd.DataFrame) -> Section:
    looked_at, differs = gaps["gap"].notna(), gaps["means"].str.contains("than the rest")
    alone = ~gaps["by"].str.contains(" and ")
    return Section(
        "Is it worse for some?",
        f"Each group of test films, and each pair of groups, against the rest: {looked_at.sum()} gaps were looked at, "
        f"and {differs.sum()} are more than chance explains. Intervals are adjusted for that number by Bonferroni’s "
        "rule, by bootstrap over patients. “calibration” is the mean probability less the share of sick. Of pairs "
        "of groups only those that differ are shown; group_gaps_test.csv has all.",
        tables=[("", gaps[alone | differs])],
    )


def _pictures(folder: Path, *names: str) -> list[tuple[str, str]]:
    """The pictures that are there: a network whose units are all dead has no receptive field."""
    files = [folder / f"{name}.png" for name in names]
    return [(file.stem, base64.b64encode(file.read_bytes()).decode()) for file in files if file.is_file()]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "–" if math.isnan(value) else f"{value:.3f}"
    return str(value)
