"""Evaluate the trained network on the validation and test films, and write what came out."""

import json
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from pneumonia.evaluation.bootstrap import intervals, multiclass_intervals, subtype_intervals
from pneumonia.evaluation.boxes.box_evaluation import BoxEvaluation, evaluate_boxes, write_boxes
from pneumonia.evaluation.metrics import compute_metrics, subtypes_told_apart
from pneumonia.evaluation.operating_point import Wanted, choose, choose_cross_fitted, compare_choices
from pneumonia.evaluation.outcome import Evaluation
from pneumonia.evaluation.parts import Part, intervals_of, predict_parts
from pneumonia.evaluation.report.files import (
    save_picture,
    write_alterations,
    write_calibration,
    write_curves,
    write_encoding,
    write_groups,
    write_receptive_field,
)
from pneumonia.evaluation.report.gallery import plot_errors, surest_errors
from pneumonia.evaluation.report.plots import plot_history
from pneumonia.evaluation.shortcuts import stressed_auc
from pneumonia.inference.decision import Decision
from pneumonia.inference.familiarity import fit as fit_familiarity
from pneumonia.inference.probabilities import predict_classes
from pneumonia.outputs import whole_directory, whole_file
from pneumonia.params.load import Params
from pneumonia.preparation.packed.films import open_images, read_part


def evaluate(
    model: keras.Model, params: Params, data: Path, history: pd.DataFrame, weights: str, models: Path, reports: Path
) -> Evaluation:
    """Predict the parts in `data/split.csv`, choose temperature and threshold on validation, and write the outcome.

    Writes in `models`: `decision.json` and `familiarity.npz`, which with the network make a classifier. In `reports`:
    `metrics.json`, `predictions.csv` (a row a film), and `evaluation/` with tables as CSV and everything as pictures.
    A localiser is evaluated as the classifier that it contains, and then for its boxes (see `boxes`).
    """
    images, names = open_images(data / "clean"), params.classes
    train_rows, _, _ = read_part(data / "split.csv", "train", names)
    familiarity = fit_familiarity([images[row] for row in train_rows])  # views: all films may be more than memory
    classifier = _classifier_in(model)
    parts, temperature = predict_parts(classifier, images, data / "split.csv", names)
    threshold, choices = _operating_point(parts["val"], parts["test"], params)
    boxes = evaluate_boxes(model, params, parts, images, data) if params.task == "localize" else None
    decision = _decision(params, images.shape[1], temperature, threshold, boxes)
    outcome = {
        part: compute_metrics(each.truth, each.probabilities, names, threshold)
        | {"stress/roc_auc": stressed_auc(each.altered, each.sick)}
        for part, each in parts.items()
    }
    sure = pd.concat(_intervals(each, part, names, threshold, params.evaluate.draws) for part, each in parts.items())
    if boxes:
        outcome = {part: each | boxes.metrics(part) for part, each in outcome.items()}
        sure = pd.concat([sure, boxes.intervals])
    predictions = pd.concat(_table(each, part, names, threshold) for part, each in parts.items())
    with whole_directory(reports / "evaluation") as directory:
        sure.to_csv(directory / "intervals.csv", index=False)
        choices.to_csv(directory / "choices.csv", index=False)
        calibration = write_calibration(parts, directory)
        write_curves(parts, names, threshold, directory)
        write_encoding(parts, data, directory)
        shortcuts = write_alterations(parts, images, params.evaluate.draws, directory)
        test = predictions[predictions["part"] == "test"]
        write_groups(test, data, directory)
        if boxes:
            write_boxes(boxes, images, data, directory)
        else:
            errors = plot_errors(classifier, images, surest_errors(test), parts["test"].healthy)
            save_picture(errors, directory / "errors.png")
        save_picture(plot_history(history, weights), directory / "history.png")
        write_receptive_field(classifier, images, parts["val"].films["image"].to_numpy(), directory)
    decision.save(models / "decision.json")
    familiarity.save(models / "familiarity.npz")
    with whole_file(reports / "predictions.csv") as partial:
        predictions.drop(columns="image").to_csv(partial, index=False)
    with whole_file(reports / "metrics.json") as partial:
        partial.write_text(json.dumps(outcome, indent=2) + "\n")
    return Evaluation(outcome, decision, choices, sure, calibration, shortcuts)


def _classifier_in(model: keras.Model) -> keras.Model:
    """The network that gives a film's probabilities alone: `model`, or the classifier in a localiser."""
    return model if len(model.outputs) == 1 else keras.Model(model.inputs, model.outputs[-1], name=model.name)


def _decision(
    params: Params, image_size: int, temperature: float, threshold: float, boxes: BoxEvaluation | None
) -> Decision:
    settings = params.evaluate
    return Decision(
        task=params.task,
        classes=params.classes,
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
    """The films with the calibrated `probability` of pneumonia and the class that is `predicted`; with more than two
    classes, also with the probability of each.
    """
    films = part.films[["image", "file", "patient", "label", "class"]].assign(part=name, probability=part.probability)
    if len(names) > 2:
        films = films.assign(**{f"probability_{each}": part.probabilities[:, n] for n, each in enumerate(names)})
    return films.assign(predicted=np.array(names)[predict_classes(part.probabilities, threshold, part.healthy)])


def _intervals(part: Part, name: str, names: list[str], threshold: float, draws: int) -> pd.DataFrame:
    """The metrics of the films, of classes `names`, with their intervals (see `parts.intervals_of`)."""
    predicted = predict_classes(part.probabilities, threshold, part.healthy)

    def table_by(groups: np.ndarray) -> pd.DataFrame:
        table = intervals(part.sick, part.probability, predicted >= part.healthy, groups, draws)
        if part.probabilities.shape[1] == 2:
            return table
        over_classes = multiclass_intervals(part.truth, part.probabilities, predicted, groups, draws)
        tables = [table, over_classes.add_prefix("classes/", axis=0)]
        if pair := subtypes_told_apart(names):
            tables.append(
                subtype_intervals(part.truth, part.probabilities, groups, draws).add_prefix(f"{pair}/", axis=0)
            )
        return pd.concat(tables)

    return intervals_of(part, name, table_by)
