"""One page for a run: `report.html`, with everything in it, to be read offline."""

from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from pneumonia.evaluation.outcome import Evaluation
from pneumonia.evaluation.report.answers import first_answers
from pneumonia.evaluation.report.heat_maps import heat_map_sections
from pneumonia.evaluation.report.layout import HEADLINES, Page, Section, headlines_of, pictures_in
from pneumonia.evaluation.shortcuts import SUSPICIOUS
from pneumonia.inference.decision import Decision
from pneumonia.params.load import Params

LOCALISER_HEADLINES = {"boxes/map": "mean average precision", "boxes/ap_50": "AP at IoU 0.5"}
"""The further headlines of a localiser."""
BOXES = "boxes/"
"""What the names of a localiser's metrics begin with."""
ABOUT_HEADLINES = (
    "On the test films, which nothing was chosen on. Below each metric is its 95 % interval by bootstrap over patients."
)
NO_SHORTCUT = (
    "Nothing speaks clearly for a shortcut: without the lungs the interval of the AUC reaches down to "
    f"{SUSPICIOUS} or less."
)


def render_report(evaluation: Evaluation, params: Params, facts: dict[str, Any], reports: Path, folder: Path) -> str:
    """The page, HTML, from what `evaluate` found and wrote in `folder`, and earlier stages in `reports`.

    `facts` are those of the training (`models/training.json`).
    """
    test = evaluation.intervals[evaluation.intervals["part"] == "test"]
    return Page(
        title=f"{params.model} on {params.dataset}, {params.task}",
        subtitle=f"Trained in {facts['precision']}; first weights: {facts['weights']}",
        headlines=headlines_of(test, HEADLINES | LOCALISER_HEADLINES),
        about_headlines=ABOUT_HEADLINES,
        answers=first_answers(
            evaluation.metrics["test"],
            test,
            pd.read_csv(folder / "alterations_test.csv"),
            pd.read_csv(folder / "groups_test.csv"),
            evaluation.findings,
        ),
        findings=evaluation.findings,
        without_findings=NO_SHORTCUT,
        sections=_sections(evaluation, facts, reports, folder),
        details=(
            "Parameters",
            "what was used of params.yaml",
            yaml.safe_dump(_used(params), sort_keys=False),
        ),
    ).render()


def _sections(evaluation: Evaluation, facts: dict[str, Any], reports: Path, folder: Path) -> list[Section]:
    return [
        _data(reports, folder),
        _training(facts, reports, folder),
        metrics_section(evaluation.intervals, folder),
        *([_boxes(evaluation, folder)] if evaluation.decision.localization else []),
        *_sites(folder),
        *_probabilities(evaluation, folder),
        *([abstention_section(evaluation.decision, folder)] if evaluation.decision.abstention else []),
        *_weaknesses(folder),
        *heat_map_sections(folder),
    ]


def _used(params: Params) -> dict[str, Any]:
    """The parameters that made the page: not where the work was done, nor the blocks of other networks and sources."""
    values = params.model_dump(exclude={"compute"})
    return values | {
        "datasets": {params.dataset: values["datasets"][params.dataset]},
        "models": {params.model: values["models"][params.model]},
    }


def _data(reports: Path, folder: Path) -> Section:
    return Section(
        "Data",
        tables=[("films by part and class", pd.read_csv(folder / "parts.csv"))],
        pictures=pictures_in(reports / "clean", "samples", "near_duplicates"),
    )


def _training(facts: dict[str, Any], reports: Path, folder: Path) -> Section:
    what = pd.DataFrame(list(facts.items()), columns=["what", "value"])
    return Section(
        "Model and training",
        tables=[("what it is; what it cost is in its MLflow run", what)],
        pictures=pictures_in(folder, "history")
        + pictures_in(reports, "batch")
        + pictures_in(folder, "receptive_field"),
    )


def metrics_section(intervals: pd.DataFrame, folder: Path) -> Section:
    """The metrics with their intervals, and the curves and confusion matrices that are in `folder`."""
    of_boxes = intervals["metric"].str.startswith(BOXES)
    curves = sorted(path.stem for path in folder.glob("curves*.png"))
    return Section(
        "How good, and how sure that is",
        "Intervals of 95 %, by bootstrap over patients (low, high) and over images. Classes are "
        "predicted at the operating point.",
        tables=[("", intervals[~of_boxes])],
        pictures=pictures_in(folder, *curves, "confusion_test", "confusion_val"),
    )


def _sites(folder: Path) -> list[Section]:
    """How it does in each site, where sites are known."""
    tables = {part: folder / f"sites_{part}.csv" for part in ("test", "val")}
    read = {part: pd.read_csv(file) for part, file in tables.items() if file.is_file()}
    if not read:
        return []
    text = "The worst site comes first. A model that is good in the mean may be of no use in one of them."
    test = read["test"]
    if len(test) > 1:
        worst = test.iloc[0]
        text += (
            f" On test films the worst is {worst['site']}, with an AUC of {worst['roc_auc']:.3f} "
            f"({worst['roc_auc_low']:.3f} to {worst['roc_auc_high']:.3f}); the mean of the {len(test)} sites is "
            f"{test['roc_auc'].mean():.3f}."
        )
    return [Section("In each place", text, tables=[(f"{part} films by site", table) for part, table in read.items()])]


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
        pictures=pictures_in(folder, "boxes", "froc", "tuning"),
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
            pictures=pictures_in(folder, "reliability"),
        ),
        Section(
            "Where pneumonia is rarer",
            "What a prediction is worth where it is as frequent as evaluate.prevalences say: “ppv” is the share of "
            "those predicted sick that are, “npv” the share of those predicted healthy that are. The decision curve "
            "weighs the sick that are found against false alarms, by the probability from which one would treat "
            "(Vickers, Elkin 2006); probabilities are shifted to each prevalence. Both hold as far as sensitivity and "
            "specificity are the same there.",
            tables=[("predictive values at the operating point", pd.read_csv(folder / "predictive_values.csv"))],
            pictures=pictures_in(folder, "decision_curve"),
        ),
    ]


def abstention_section(decision: Decision, folder: Path) -> Section:
    """What not to answer gains, and what the decision says of it."""
    decided = "Every film is answered (evaluate.abstain)."
    if abstention := decision.abstention:
        unlike = ", and so is a film unlike the training films" if abstention.unfamiliar else ""
        decided = (
            f"A film is uncertain from a probability of {abstention.low:.3f} up to {abstention.high:.3f} "
            f"({abstention.rule}){unlike}: the row “as decided”, the points."
        )
    return Section(
        "When not to answer",
        f"{decided} In the other rows the band is as wide as leaves that share of these films to be answered.",
        tables=[("of the answers, with intervals by bootstrap over patients", pd.read_csv(folder / "abstention.csv"))],
        pictures=pictures_in(folder, "abstention"),
    )


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
            pictures=pictures_in(folder, "alterations"),
        ),
        Section(
            "Where it fails",
            "The share of test films that is predicted right (of several subtypes the right one), by group, with its "
            "interval; “predicted_sick” are those predicted to show pneumonia of any subtype.",
            tables=[("", pd.read_csv(folder / "groups_test.csv"))],
            pictures=pictures_in(folder, "errors"),
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
