"""Evaluate the trained network on the validation and test films, and write what came out."""

import json
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pneumonia.dataset import FilmBatches, open_images, read_part
from pneumonia.evaluation.metrics import THRESHOLD, binary_metrics, pr_curve, roc_curve
from pneumonia.evaluation.plots import plot_confusion, plot_curves, plot_history
from pneumonia.files import whole_directory, whole_file
from pneumonia.labels import class_names

PARTS = ("val", "test")


def evaluate(
    model: keras.Model, task: str, data: Path, history: pd.DataFrame, weights: str, reports: Path
) -> dict[str, dict[str, float]]:
    """Predict the parts in `data/split.csv` and write the outcome; the figures by part.

    Writes in `reports`: `metrics.json`, `predictions.csv` (a row a film), and `evaluation/` with the curves as CSV and
    everything as pictures.
    """
    images = open_images(data / "clean")
    predictions = pd.concat([_predict(model, images, data / "split.csv", part, task) for part in PARTS])
    figures, roc, pr = {}, {}, {}
    names = class_names(task)
    with whole_directory(reports / "evaluation") as directory:
        for part, films in predictions.groupby("part", sort=False):
            truth = (films["class"] == names[1]).to_numpy(int)
            probability = films["probability"].to_numpy()
            figures[part] = binary_metrics(truth, probability)
            roc[part], pr[part] = roc_curve(truth, probability), pr_curve(truth, probability)
            roc[part].to_csv(directory / f"roc_{part}.csv", index=False)
            pr[part].to_csv(directory / f"pr_{part}.csv", index=False)
            confusion = films[["class", "predicted"]].rename(columns={"class": "actual"})
            confusion.to_csv(directory / f"confusion_{part}.csv", index=False)
            _save(plot_confusion(_counts(figures[part]), names, part), directory / f"confusion_{part}.png")
        _save(plot_curves(roc, pr, figures), directory / "curves.png")
        _save(plot_history(history, weights), directory / "history.png")
    with whole_file(reports / "predictions.csv") as partial:
        predictions.to_csv(partial, index=False)
    with whole_file(reports / "metrics.json") as partial:
        partial.write_text(json.dumps(figures, indent=2) + "\n")
    return figures


def _predict(model: keras.Model, images: np.ndarray, split: Path, part: str, task: str) -> pd.DataFrame:
    rows, _, films = read_part(split, part, task)
    probability = model.predict(FilmBatches(images, rows), verbose=0)[:, 0]
    called = np.where(probability >= THRESHOLD, *reversed(class_names(task)))
    columns = ["file", "patient", "label", "class", "part"]
    return films[columns].assign(probability=probability, predicted=called)


def _counts(figures: dict[str, float]) -> np.ndarray:
    return np.array(
        [
            [figures["true_negatives"], figures["false_positives"]],
            [figures["false_negatives"], figures["true_positives"]],
        ]
    )


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=100)
