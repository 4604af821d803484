"""Evaluate the trained network on the validation and test films, and write what came out."""

import json
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from pneumonia.evaluation.abstention import choose_band, coverage_table
from pneumonia.evaluation.boxes.box_evaluation import BoxEvaluation, evaluate_boxes, write_boxes
from pneumonia.evaluation.metrics import compute_metrics
from pneumonia.evaluation.operating_point import Wanted, choose, choose_cross_fitted, compare_choices
from pneumonia.evaluation.outcome import Evaluation
from pneumonia.evaluation.parts import Part, classifier_in, predict_parts
from pneumonia.evaluation.prediction_tables import metric_intervals, prediction_table
from pneumonia.evaluation.report.files import (
    read_films,
    save_picture,
    write_abstention,
    write_alterations,
    write_calibration,
    write_clinical_use,
    write_curves,
    write_encoding,
    write_groups,
    write_parts,
    write_receptive_field,
    write_sites,
)
from pneumonia.evaluation.report.gallery import plot_errors, surest_errors
from pneumonia.evaluation.report.heat_maps import write_heat_maps
from pneumonia.evaluation.report.plots import plot_history
from pneumonia.evaluation.shortcuts import stressed_auc, stressed_rates
from pneumonia.evaluation.sites import metrics_by_site, named_metrics
from pneumonia.inference.decision import Abstention, Decision
from pneumonia.inference.familiarity import Familiarity
from pneumonia.inference.familiarity import fit as fit_familiarity
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
    classifier = classifier_in(model)
    parts, temperature = predict_parts(classifier, images, data / "split.csv", names)
    threshold, choices = _operating_point(parts["val"], parts["test"], params)
    boxes = evaluate_boxes(model, params, parts, images, data) if params.task == "localize" else None
    decision = _decision(params, images.shape[1], temperature, threshold, boxes)
    sites = {part: metrics_by_site(each, threshold, params.evaluate.draws) for part, each in parts.items()}
    decision = decision.model_copy(update={"abstention": _abstention(parts["val"], params, threshold)})
    outcome = {
        part: compute_metrics(each.truth, each.probabilities, names, threshold)
        | {"stress/roc_auc": stressed_auc(each.altered, each.sick)}
        | named_metrics(sites[part])
        for part, each in parts.items()
    }
    sure = pd.concat(
        metric_intervals(each, part, names, threshold, params.evaluate.draws) for part, each in parts.items()
    )
    if boxes:
        outcome = {part: each | boxes.metrics(part) for part, each in outcome.items()}
        sure = pd.concat([sure, boxes.intervals])
    abstained = _abstained(decision, parts["test"], images, familiarity)
    predictions = pd.concat(prediction_table(each, part, names, threshold) for part, each in parts.items())
    with whole_directory(reports / "evaluation") as directory:
        sure.to_csv(directory / "intervals.csv", index=False)
        choices.to_csv(directory / "choices.csv", index=False)
        decision.save(directory / "decision.json")
        write_parts(read_films(data / "split.csv"), directory)
        write_sites(sites, directory)
        calibration = write_calibration(parts, directory)
        write_curves(parts, names, threshold, directory)
        write_clinical_use(parts, threshold, params.evaluate.prevalences, params.evaluate.draws, directory)
        write_encoding(parts, data, directory)
        shortcuts = write_alterations(parts, images, params.evaluate.draws, directory)
        test = predictions[predictions["part"] == "test"]
        write_groups(test, read_films(data / "clean" / "index.csv"), params.evaluate.draws, directory)
        if abstained is not None:
            write_abstention(abstained, directory)
        if boxes:
            write_boxes(boxes, images, data, directory)
        else:
            errors = plot_errors(classifier, images, surest_errors(test), parts["test"].healthy)
            save_picture(errors, directory / "errors.png")
            write_heat_maps(classifier, images, parts["test"], train_rows, data, params.evaluate.draws, directory)
        save_picture(plot_history(history, weights), directory / "history.png")
        write_receptive_field(classifier, images, parts["val"].films["image"].to_numpy(), directory)
    decision.save(models / "decision.json")
    familiarity.save(models / "familiarity.npz")
    with whole_file(reports / "predictions.csv") as partial:
        predictions.drop(columns="image").to_csv(partial, index=False)
    with whole_file(reports / "metrics.json") as partial:
        partial.write_text(json.dumps(outcome, indent=2) + "\n")
    stressed = stressed_rates(parts["test"].altered, parts["test"].sick, threshold)
    return Evaluation(outcome, decision, choices, sure, calibration, shortcuts, stressed)


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


def _abstention(val: Part, params: Params, threshold: float) -> Abstention | None:
    """When not to answer, by validation films."""
    abstain = params.evaluate.abstain
    if abstain.by == "nothing":
        return None
    low, high = choose_band(abstain.by, abstain.wanted, val.scored, threshold)
    rule = f"{abstain.by} of {abstain.wanted:g} on validation films"
    return Abstention(low=low, high=high, unfamiliar=abstain.unfamiliar, rule=rule)


def _abstained(decision: Decision, test: Part, images: np.ndarray, familiarity: Familiarity) -> pd.DataFrame | None:
    """What not to answer gains on test films (see `coverage_table`)."""
    if not (abstention := decision.abstention):
        return None
    unlike = [abstention.unfamiliar and bool(familiarity.remark_on(images[row])) for row in test.films["image"]]
    return coverage_table(test.scored, decision.threshold, np.array(unlike), (abstention.low, abstention.high))


def _operating_point(val: Part, test: Part, params: Params) -> tuple[float, pd.DataFrame]:
    """The threshold, from validation films alone, and the table of what each choice gives."""
    settings = params.evaluate
    wanted = Wanted(settings.sensitivity, settings.cost_of_miss)
    choosing = choose_cross_fitted if settings.cross_fit else choose
    films = val.stressed if settings.stressed else val.scored
    choices = compare_choices(val.scored, val.stressed, test.scored, wanted)
    return choosing(settings.threshold, films, wanted).threshold, choices
