"""train: the chosen network on data/train.csv, into models/, in an MLflow run that evaluate completes."""

import json
import logging
from pathlib import Path

import pandas as pd

from pneumonia.dataset import open_images, read_part
from pneumonia.errors import exit_on_user_error
from pneumonia.files import whole_file
from pneumonia.params import load_params
from pneumonia.tracking import log_epoch, log_training, open_store, start_run
from pneumonia.training import train

DATA, MODELS, REPORTS = Path("data"), Path("models"), Path("reports")


def main() -> None:
    """Train, and write the model, its history and what evaluate must know of the run."""
    params = load_params()
    val_rows, val_classes, _ = read_part(DATA / "split.csv", "val", params.task)
    rows = pd.read_csv(DATA / "train.csv")
    open_store(params.tracking.experiment)
    with start_run(params, DATA) as run:
        trained = train(params, open_images(DATA / "clean"), rows, (val_rows, val_classes), log_epoch)
        asked = params.chosen_model.weights
        weights = trained.weights if trained.weights == asked else f"{trained.weights} (asked for: {asked})"
        cost = {"weights": weights, "training_seconds": round(trained.seconds, 1), "device": trained.device}
        log_training(cost)
    with whole_file(MODELS / "model.keras") as partial:
        trained.model.save(partial)
    with whole_file(REPORTS / "history.csv") as partial:
        trained.history.to_csv(partial, index=False)
    with whole_file(MODELS / "run.json") as partial:
        partial.write_text(json.dumps({"run_id": run.info.run_id, **cost}, indent=2) + "\n")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with exit_on_user_error():
        main()
