"""A registered model on films from elsewhere: the metrics of an evaluation, and why they are not those of home."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pneumonia.annotations.labels import WITHOUT_PNEUMONIA
from pneumonia.evaluation.abstention import coverage_table
from pneumonia.evaluation.bootstrap import intervals
from pneumonia.evaluation.home import Home, Measured
from pneumonia.evaluation.metrics import compute_metrics
from pneumonia.evaluation.parts import Part, classifier_in
from pneumonia.evaluation.prediction_tables import metric_intervals, prediction_table
from pneumonia.evaluation.report.files import (
    save_picture,
    write_abstention,
    write_alterations,
    write_calibration,
    write_curves,
    write_groups,
)
from pneumonia.evaluation.report.gallery import plot_errors, surest_errors
from pneumonia.evaluation.shortcuts import stressed_auc
from pneumonia.inference.predictor import Predictor
from pneumonia.validation.asking import part_of
from pneumonia.validation.explanation import Reason, explain
from pneumonia.validation.films import FilmsElsewhere
from pneumonia.validation.recalibration import Chooser, Labelled, Recalibration, plot_curve, recalibrate
from pneumonia.validation.report import Asked, render_validation

DRAWS = 2000
PART = "test"
"""The films' part: their metrics have the names of a training run's test films, so that MLflow compares them."""


@dataclass(frozen=True)
class Validation:
    """What came out of a validation."""

    part: Part
    metrics: dict[str, float]
    reasons: list[Reason]
    recalibration: Recalibration | None
    intervals: pd.DataFrame
    """The metrics with their intervals (see `parts.intervals_of`)."""
    findings: list[str]


def validate(
    predictor: Predictor,
    home: Home | None,
    test: dict[str, Measured],
    films: FilmsElsewhere,
    asked: Asked,
    recalibrated: tuple[int, Chooser] | None,
    directory: Path,
) -> Validation:
    """Ask the model about `films` and write into `directory` what an evaluation writes into `reports`.

    That is `metrics.json`, `predictions.csv`, `report.html`, and `evaluation/` with tables and pictures; besides
    `left_out.csv`, and `reasons.json`, why it is not as at home (see `explanation`).

    `home` is what the version carries, and `test` what is known of the metrics of its own test films.
    With `recalibrated`, so many of the films choose a temperature and a threshold of their own (see `recalibration`).

    Raises:
        UserError: too few films, or the network in Keras cannot be had.
    """
    decision = predictor.decision
    part, names, raw = part_of(films, predictor.network, decision)
    metrics = compute_metrics(part.truth, part.probabilities, names, decision.threshold)
    metrics["stress/roc_auc"] = stressed_auc(part.altered, part.sick)
    sure = metric_intervals(part, PART, names, decision.threshold, DRAWS)
    predictions = prediction_table(part, PART, names, decision.threshold)
    folder = directory / "evaluation"
    folder.mkdir()
    sure.to_csv(folder / "intervals.csv", index=False)
    parts = {PART: part}
    calibration = write_calibration(parts, folder)
    write_curves(parts, names, decision.threshold, folder)
    shortcuts = write_alterations(parts, films.images, DRAWS, folder)
    write_groups(predictions, films.table, DRAWS, folder)
    against_each(part, decision.threshold).to_csv(folder / "against.csv", index=False)
    network = classifier_in(predictor.keras_model())
    abstention = decision.abstention
    unlike = (films.table["remark"] != "").to_numpy() & (abstention is not None and abstention.unfamiliar)
    band = (abstention.low, abstention.high) if abstention else None
    write_abstention(coverage_table(part.scored, decision.threshold, unlike, band), folder)
    errors = plot_errors(network, films.images, surest_errors(predictions), decision.healthy)
    save_picture(errors, folder / "errors.png")
    films.left_out.to_csv(directory / "left_out.csv", index=False)
    predictions.drop(columns="image").to_csv(directory / "predictions.csv", index=False)
    (directory / "metrics.json").write_text(json.dumps({PART: metrics}, indent=2) + "\n")
    reasons = explain(part, decision.threshold, home, test)
    (directory / "reasons.json").write_text(_as_json(reasons), encoding="utf-8")
    recalibration = None
    if recalibrated:
        labelled = Labelled(part.sick, raw, decision.healthy, part.scored.patients)
        recalibration = recalibrate(labelled, *recalibrated, decision)
        recalibration.figures.to_csv(folder / "recalibration.csv", index=False)
        recalibration.curve.to_csv(folder / "recalibration_curve.csv", index=False)
        save_picture(plot_curve(recalibration.curve), folder / "recalibration.png")
    page = render_validation(
        asked, decision, films, part, metrics, sure, calibration, reasons, recalibration, shortcuts, folder
    )
    (directory / "report.html").write_text(page, encoding="utf-8")
    return Validation(part, metrics, reasons, recalibration, sure, shortcuts)


def _as_json(reasons: list[Reason]) -> str:
    """What each reason is about, its sentence, and the rows of its table, without what is not known."""
    told = {
        reason.about: {
            "sentence": reason.sentence,
            "rows": [
                {key: value for key, value in row.items() if value == value}  # NaN is not
                for row in reason.table.to_dict("records")
            ],
        }
        for reason in reasons
    }
    return json.dumps(told, indent=2, ensure_ascii=False, default=str) + "\n"


def against_each(part: Part, threshold: float) -> pd.DataFrame:
    """The films with pneumonia against those of each label without it, and against all of them.

    A row has `against`, how many `films` that are, the `roc_auc` and the `specificity`, each with its 95 % interval.
    """
    labels = part.films["label"]
    kinds = [label for label in WITHOUT_PNEUMONIA if label in set(labels)]
    rows = []
    for kind, of_kind in {kind: labels == kind for kind in kinds}.items() if len(kinds) > 1 else ():
        among = (of_kind | (part.sick == 1)).to_numpy()
        rows.append((kind, int(of_kind.sum()), among))
    rows.append(("all without pneumonia", int((part.sick == 0).sum()), part.sick >= 0))
    table = []
    for against, count, among in rows:
        called = part.probability[among] >= threshold
        sure = intervals(part.sick[among], part.probability[among], called, part.scored.patients[among], DRAWS)
        figures = {
            f"{metric}{end}": sure.at[metric, column]
            for metric in ("roc_auc", "specificity")
            for end, column in (("", "value"), ("_low", "low"), ("_high", "high"))
        }
        table.append({"against": against, "films": count, **figures})
    return pd.DataFrame(table)
