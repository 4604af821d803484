"""evaluate: the trained network on the validation and test films, into reports/ and the MLflow registry."""

import json
import logging
from pathlib import Path

import keras
import pandas as pd

from pneumonia.dataset import open_images
from pneumonia.errors import exit_on_user_error
from pneumonia.evaluation.evaluate import evaluate
from pneumonia.params import load_params
from pneumonia.registry import register
from pneumonia.tracking import complete_run, continue_run, log_training, open_store

DATA, MODELS, REPORTS = Path("data"), Path("models"), Path("reports")
HEADLINES = ("roc_auc", "accuracy", "recall", "specificity", "f1")


def main() -> None:
    """Evaluate, log everything to the run that train started, and register the model."""
    params = load_params()
    model = keras.saving.load_model(MODELS / "model.keras", compile=False)
    history = pd.read_csv(REPORTS / "history.csv")
    training = json.loads((MODELS / "run.json").read_text())
    open_store(params.tracking.experiment)  # a store that cannot be reached is told before the reports are replaced
    figures = evaluate(model, params.task, DATA, history, training["weights"], REPORTS)
    with continue_run(training.pop("run_id"), params, DATA, history):
        log_training(training)
        example = open_images(DATA / "clean")[:1, ..., None]
        decision = register(params, model, example, figures, DATA)
        complete_run(figures, REPORTS)
    for part, values in figures.items():
        print(f"{part:5}", *(f"{name} {values[name]:.3f}" for name in HEADLINES), sep="  ")
    print(decision)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with exit_on_user_error():
        main()
