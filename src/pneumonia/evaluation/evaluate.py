"""Evaluate the trained network on the validation and test films, and write what came out."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix, log_loss, roc_auc_score

from pneumonia.calibration import (
    brier_score,
    expected_calibration_error,
    plot_reliability,
    reliability_table,
)
from pneumonia.dataset import open_images, read_part
from pneumonia.decision import Decision, call, probability_of_pneumonia
from pneumonia.evaluation.bootstrap import intervals, kinds_intervals, multiclass_intervals
from pneumonia.evaluation.boxes import BoxEvaluation, evaluate_boxes, write_boxes
from pneumonia.evaluation.encoding import encoding_report
from pneumonia.evaluation.gallery import plot_errors, surest_errors
from pneumonia.evaluation.metrics import SICK, figures, kinds_told_apart, one_against_rest, pr_curve, roc_curve
from pneumonia.evaluation.operating_point import Wanted, choose, choose_cross_fitted, compare_choices
from pneumonia.evaluation.parts import Part, intervals_of, predict_parts
from pneumonia.evaluation.plots import plot_confusion, plot_curves, plot_history
from pneumonia.evaluation.shortcuts import findings, plot_alterations, shortcut_report, stressed_auc
from pneumonia.evaluation.subgroups import figures_by_group, group_films
from pneumonia.familiarity import fit as fit_familiarity
from pneumonia.files import whole_directory, whole_file
from pneumonia.labels import WITHOUT_PNEUMONIA, class_names
from pneumonia.params import Params
from pneumonia.receptive_field import effective_receptive_field, layer_table, plot_receptive_field

log = logging.getLogger(__name__)

FILMS_FOR_RECEPTIVE_FIELD = 8


@dataclass(frozen=True)
class Evaluation:
    """What came out: `figures` by part, the operating point and its alternatives (`choices`), `intervals` of the
    figures, figures of the `calibration` before and after, and the shortcuts found, in words.

    Figures of a localiser's boxes begin with `boxes/`.
    """

    figures: dict[str, dict[str, float]]
    decision: Decision
    choices: pd.DataFrame
    intervals: pd.DataFrame
    calibration: pd.DataFrame
    findings: list[str]


def evaluate(
    model: keras.Model, params: Params, data: Path, history: pd.DataFrame, weights: str, models: Path, reports: Path
) -> Evaluation:
    """Predict the parts in `data/split.csv`, choose temperature and threshold on validation, and write the outcome.

    Writes in `models`: `decision.json` and `familiarity.npz`, which with the network make a classifier. In `reports`:
    `metrics.json`, `predictions.csv` (a row a film), and `evaluation/` with tables as CSV and everything as pictures.
    A localiser is evaluated as the classifier that it contains, and then for its boxes (see `boxes`).
    """
    images, names = open_images(data / "clean"), class_names(params.task, params.dataset)
    train_rows, _, _ = read_part(data / "split.csv", "train", names)
    familiarity = fit_familiarity(images[train_rows])
    classifier = _classifier_in(model)
    parts, temperature = predict_parts(classifier, images, data / "split.csv", names)
    threshold, choices = _operating_point(parts["val"], parts["test"], params)
    boxes = evaluate_boxes(model, params, parts, images, data) if params.task == "localize" else None
    decision = _decide(params, images.shape[1], temperature, threshold, boxes)
    outcome = {
        part: figures(each.truth, each.probabilities, names, threshold)
        | {"stress/roc_auc": stressed_auc(each.altered, each.sick)}
        for part, each in parts.items()
    }
    sure = pd.concat(_intervals(each, part, names, threshold, params.evaluate.draws) for part, each in parts.items())
    if boxes:
        outcome = {part: each | boxes.figures(part) for part, each in outcome.items()}
        sure = pd.concat([sure, boxes.intervals])
    predictions = pd.concat(_table(each, part, names, threshold) for part, each in parts.items())
    with whole_directory(reports / "evaluation") as directory:
        sure.to_csv(directory / "intervals.csv", index=False)
        choices.to_csv(directory / "choices.csv", index=False)
        calibration = _write_calibration(parts, directory)
        _write_curves(parts, names, threshold, directory)
        _write_encoding(parts, data, directory)
        shortcuts = _write_alterations(parts, images, params.evaluate.draws, directory)
        test = predictions[predictions["part"] == "test"]
        _write_groups(test, data, directory)
        if boxes:
            write_boxes(boxes, images, data, directory)
        else:
            errors = plot_errors(classifier, images, surest_errors(test), parts["test"].healthy)
            _save(errors, directory / "errors.png")
        _save(plot_history(history, weights), directory / "history.png")
        _write_receptive_field(classifier, images, parts["val"].films["image"].to_numpy(), directory)
    decision.save(models / "decision.json")
    familiarity.save(models / "familiarity.npz")
    with whole_file(reports / "predictions.csv") as partial:
        predictions.drop(columns="image").to_csv(partial, index=False)
    with whole_file(reports / "metrics.json") as partial:
        partial.write_text(json.dumps(outcome, indent=2) + "\n")
    return Evaluation(outcome, decision, choices, sure, calibration, shortcuts)


def _classifier_in(model: keras.Model) -> keras.Model:
    """The network that gives a film's probabilities alone: `model`, or the part of a localiser that does."""
    return model if len(model.outputs) == 1 else keras.Model(model.inputs, model.outputs[-1], name=model.name)


def _decide(
    params: Params, image_size: int, temperature: float, threshold: float, boxes: BoxEvaluation | None
) -> Decision:
    settings = params.evaluate
    return Decision(
        task=params.task,
        classes=class_names(params.task, params.dataset),
        image_size=image_size,
        min_size=params.clean.min_size,
        temperature=temperature,
        threshold=threshold,
        rule=", ".join([settings.threshold] + ["cross-fitted"] * settings.cross_fit + ["stressed"] * settings.stressed),
        localization=boxes.localization if boxes else None,
    )


def _operating_point(val: Part, test: Part, params: Params) -> tuple[float, pd.DataFrame]:
    """The threshold, from validation films alone, and the table of what each choice gives."""
    settings = params.evaluate
    wanted = Wanted(settings.sensitivity, settings.cost_of_miss)
    choosing = choose_cross_fitted if settings.cross_fit else choose
    films = val.stressed if settings.stressed else val.scored
    choices = compare_choices(val.scored, val.stressed, test.scored, wanted)
    return choosing(settings.threshold, films, wanted).threshold, choices


def _table(part: Part, name: str, names: list[str], threshold: float) -> pd.DataFrame:
    """The films with the calibrated `probability` of pneumonia, of more than two classes that of each, and the class
    that is `predicted`.
    """
    films = part.films[["image", "file", "patient", "label", "class"]].assign(part=name, probability=part.probability)
    if len(names) > 2:
        films = films.assign(**{f"probability_{each}": part.probabilities[:, n] for n, each in enumerate(names)})
    return films.assign(predicted=np.array(names)[call(part.probabilities, threshold, part.healthy)])


def _intervals(part: Part, name: str, names: list[str], threshold: float, draws: int) -> pd.DataFrame:
    """The figures of the films, of classes `names`, with their intervals (see `parts.intervals_of`)."""
    called = call(part.probabilities, threshold, part.healthy)

    def figures_by(groups: np.ndarray) -> pd.DataFrame:
        table = intervals(part.sick, part.probability, called >= part.healthy, groups, draws)
        if part.probabilities.shape[1] == 2:
            return table
        over_classes = multiclass_intervals(part.truth, part.probabilities, called, groups, draws)
        tables = [table, over_classes.add_prefix("classes/", axis=0)]
        if pair := kinds_told_apart(names):
            tables.append(kinds_intervals(part.truth, part.probabilities, groups, draws).add_prefix(f"{pair}/", axis=0))
        return pd.concat(tables)

    return intervals_of(part, name, figures_by)


def _write_calibration(parts: dict[str, Part], directory: Path) -> pd.DataFrame:
    """Write the reliability of the test films' probabilities; figures of both parts before and after."""
    rows = []
    for name, part in parts.items():
        for when, probabilities in (("before", part.uncalibrated), ("after", part.probabilities)):
            probability = probability_of_pneumonia(probabilities, part.healthy)
            rows.append(
                {
                    "part": name,
                    "temperature scaling": when,
                    "calibration error": expected_calibration_error(part.sick, probability),
                    "Brier score": brier_score(part.sick, probability),
                    "log loss": float(log_loss(part.sick, probability, labels=[0, 1])),
                }
            )
    test = parts["test"]
    shown = {"before": probability_of_pneumonia(test.uncalibrated, test.healthy), "after": test.probability}
    tables = {when: reliability_table(test.sick, probability) for when, probability in shown.items()}
    _save(plot_reliability(tables), directory / "reliability.png")
    table = pd.DataFrame(rows)
    table.to_csv(directory / "calibration.csv", index=False)
    return table


def _write_curves(parts: dict[str, Part], names: list[str], threshold: float, directory: Path) -> None:
    """Write ROC and precision-recall curves of each class, and the confusion matrices."""
    curves: dict[str, dict[str, tuple[pd.DataFrame, pd.DataFrame]]] = {}
    for name, part in parts.items():
        for label, (is_class, probability) in one_against_rest(part.truth, part.probabilities, names).items():
            roc, pr = roc_curve(is_class, probability), pr_curve(is_class, probability)
            curves.setdefault(label, {})[name] = (roc, pr)
            suffix = name if label == SICK else f"{name}_{label}"
            roc.to_csv(directory / f"roc_{suffix}.csv", index=False)
            pr.to_csv(directory / f"pr_{suffix}.csv", index=False)
        called = call(part.probabilities, threshold, part.healthy)
        confusion = pd.DataFrame({"actual": np.array(names)[part.truth], "predicted": np.array(names)[called]})
        confusion.to_csv(directory / f"confusion_{name}.csv", index=False)
        counts = confusion_matrix(part.truth, called, labels=range(len(names)))
        _save(plot_confusion(counts, names, name), directory / f"confusion_{name}.png")
    for label, of_parts in curves.items():
        _save(plot_curves(of_parts, label), directory / ("curves.png" if label == SICK else f"curves_{label}.png"))


def _write_encoding(parts: dict[str, Part], data: Path, directory: Path) -> None:
    """Write how well pneumonia follows from the encoding, and beside it from the model."""
    index, split = _read(data / "clean" / "index.csv"), _read(data / "split.csv")
    table = encoding_report(index.merge(split[["file", "class", "part"]], on="file"))
    of_model = {name: float(roc_auc_score(part.sick, part.probability)) for name, part in parts.items()}
    table.loc[len(table)] = {"property": "the model, for comparison", "train": np.nan, **of_model}
    table.to_csv(directory / "encoding.csv", index=False)


def _write_alterations(parts: dict[str, Part], images: np.ndarray, draws: int, directory: Path) -> list[str]:
    """Write what is left of the score on altered films; what that says of the model on test films, in words."""
    reports = {
        name: shortcut_report(part.altered, part.sick, part.scored.patients, draws) for name, part in parts.items()
    }
    for name, report in reports.items():
        report.to_csv(directory / f"alterations_{name}.csv", index=False)
    sick = parts["test"].films["image"].to_numpy()[np.argmax(parts["test"].sick)]
    _save(plot_alterations(images[sick], reports["test"]), directory / "alterations.png")
    return findings(reports["test"])


def _write_groups(test: pd.DataFrame, data: Path, directory: Path) -> None:
    """Write the calls of the test films by group."""
    facts = _read(data / "clean" / "index.csv")
    facts = facts.set_index("file").loc[test["file"]].reset_index()
    sick, called = (~test[column].isin(WITHOUT_PNEUMONIA).to_numpy() for column in ("class", "predicted"))
    right = (test["class"] == test["predicted"]).to_numpy()
    figures_by_group(group_films(facts), sick, called, right).to_csv(directory / "groups_test.csv", index=False)


def _write_receptive_field(model: keras.Model, images: np.ndarray, rows: np.ndarray, directory: Path) -> None:
    films = images[rows[:: max(1, len(rows) // FILMS_FOR_RECEPTIVE_FIELD)][:FILMS_FOR_RECEPTIVE_FIELD]][..., None]
    table = layer_table(model)
    table.to_csv(directory / "receptive_field.csv", index=False)
    try:
        effective = effective_receptive_field(model, films)
    except ValueError as error:  # a network whose units are all dead is bad news, and its figures are to say so
        log.warning("no effective receptive field: %s", error)
        return
    _save(plot_receptive_field(table, effective, films[0, ..., 0]), directory / "receptive_field.png")


def _read(table: Path) -> pd.DataFrame:
    """`index.csv` or `split.csv`: a patient's name may look like a number, and a missing one is not a number."""
    return pd.read_csv(table, dtype={"patient": str, "file": str}, keep_default_na=False)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=100)
