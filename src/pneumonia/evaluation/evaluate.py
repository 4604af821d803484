"""Evaluate the trained network on the validation and test films, and write what came out."""

import json
import logging
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from pneumonia.dataset import FilmBatches, class_numbers, open_images, read_part
from pneumonia.evaluation.metrics import SICK, THRESHOLD, figures, one_against_rest, pr_curve, roc_curve
from pneumonia.evaluation.plots import plot_confusion, plot_curves, plot_history
from pneumonia.files import whole_directory, whole_file
from pneumonia.labels import class_names
from pneumonia.receptive_field import effective_receptive_field, layer_table, plot_receptive_field

log = logging.getLogger(__name__)

PARTS = ("val", "test")
FILMS_FOR_RECEPTIVE_FIELD = 8


def evaluate(
    model: keras.Model, task: str, data: Path, history: pd.DataFrame, weights: str, reports: Path
) -> dict[str, dict[str, float]]:
    """Predict the parts in `data/split.csv` and write the outcome; the figures by part.

    Writes in `reports`: `metrics.json`, `predictions.csv` (a row a film), and `evaluation/` with the curves as CSV and
    everything as pictures, the receptive field of each layer among them.
    """
    images = open_images(data / "clean")
    predictions = pd.concat([_predict(model, images, data / "split.csv", part, task) for part in PARTS])
    outcome = {}
    with whole_directory(reports / "evaluation") as directory:
        curves = {}
        for part, films in predictions.groupby("part", sort=False):
            outcome[part], curves[part] = _write_part(films, str(part), task, directory)
        for name in curves[PARTS[0]]:
            picture = plot_curves({part: curves[part][name] for part in PARTS}, name)
            _save(picture, directory / ("curves.png" if name == SICK else f"curves_{name}.png"))
        _save(plot_history(history, weights), directory / "history.png")
        _write_receptive_field(model, images, data / "split.csv", task, directory)
    with whole_file(reports / "predictions.csv") as partial:
        predictions.to_csv(partial, index=False)
    with whole_file(reports / "metrics.json") as partial:
        partial.write_text(json.dumps(outcome, indent=2) + "\n")
    return outcome


def _predict(model: keras.Model, images: np.ndarray, split: Path, part: str, task: str) -> pd.DataFrame:
    """The films of a part with the `probability` of pneumonia, of more than two classes that of each, and the class
    that is `predicted`: pneumonia from the threshold on, or else the likeliest.
    """
    rows, _, films = read_part(split, part, task)
    predicted = model.predict(FilmBatches(images, rows), verbose=0)
    names = np.array(class_names(task))
    table = films[["file", "patient", "label", "class", "part"]]
    if len(names) == 2:
        called = (predicted[:, 0] >= THRESHOLD).astype(int)
        return table.assign(probability=predicted[:, 0], predicted=names[called])
    each = {f"probability_{name}": predicted[:, number] for number, name in enumerate(names)}
    return table.assign(probability=1 - predicted[:, 0], **each, predicted=names[predicted.argmax(axis=1)])


def _write_part(
    films: pd.DataFrame, part: str, task: str, directory: Path
) -> tuple[dict[str, float], dict[str, tuple[pd.DataFrame, pd.DataFrame]]]:
    """Write curves and confusion of a part; its figures, and its ROC and precision-recall curves by class."""
    names = class_names(task)
    truth = class_numbers(films["class"], task)
    if len(names) == 2:
        probabilities = np.column_stack([1 - films["probability"], films["probability"]])
    else:
        probabilities = films[[f"probability_{name}" for name in names]].to_numpy()
    curves = {}
    for name, (is_class, probability) in one_against_rest(truth, probabilities, names).items():
        curves[name] = roc, pr = roc_curve(is_class, probability), pr_curve(is_class, probability)
        suffix = part if name == SICK else f"{part}_{name}"
        roc.to_csv(directory / f"roc_{suffix}.csv", index=False)
        pr.to_csv(directory / f"pr_{suffix}.csv", index=False)
    confusion = films[["class", "predicted"]].rename(columns={"class": "actual"})
    confusion.to_csv(directory / f"confusion_{part}.csv", index=False)
    counts = confusion_matrix(confusion["actual"], confusion["predicted"], labels=names)
    _save(plot_confusion(counts, names, part), directory / f"confusion_{part}.png")
    return figures(truth, probabilities, names), curves


def _write_receptive_field(model: keras.Model, images: np.ndarray, split: Path, task: str, directory: Path) -> None:
    rows, _, _ = read_part(split, "val", task)
    films = images[rows[:: max(1, len(rows) // FILMS_FOR_RECEPTIVE_FIELD)][:FILMS_FOR_RECEPTIVE_FIELD]][..., None]
    table = layer_table(model)
    table.to_csv(directory / "receptive_field.csv", index=False)
    try:
        effective = effective_receptive_field(model, films)
    except ValueError as error:  # a network whose units are all dead is bad news, and its figures are to say so
        log.warning("no effective receptive field: %s", error)
        return
    _save(plot_receptive_field(table, effective, films[0, ..., 0]), directory / "receptive_field.png")


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=100)
