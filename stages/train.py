"""train: the chosen network on data/train.csv, into models/, in an MLflow run that evaluate finds and completes."""

import json
import logging
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from pneumonia.compilation import compile_seconds, keep_compiled_programs
from pneumonia.errors import exit_on_user_error
from pneumonia.lifetime import end_with_dvc
from pneumonia.outputs import replaced_together
from pneumonia.params.load import Params, load_params
from pneumonia.preparation.packed.films import open_images, read_boxes, read_part
from pneumonia.registry.epochs import epochs_logged
from pneumonia.registry.outage import REPEAT, store_losses_told
from pneumonia.registry.runs import log_training, resume_run, start_run
from pneumonia.registry.store import open_store
from pneumonia.training.batch_picture import plot_batch
from pneumonia.training.checkpoint import Checkpoint, State, identity
from pneumonia.training.companions import watched_companions
from pneumonia.training.devices import join_processes, process
from pneumonia.training.fitting import Trained, train
from pneumonia.training.network_file import save_network

DATA, MODELS, REPORTS = Path("data"), Path("models"), Path("reports")


def main() -> None:
    """Train; the first process writes the model, its history and what evaluate must know of the training."""
    params = load_params()
    join_processes()
    keep_compiled_programs()
    with watched_companions():
        _train(params)


def _train(params: Params) -> None:
    val_rows, val_classes, _ = read_part(DATA / "split.csv", "val", params.classes)
    images, rows, val = open_images(DATA / "clean"), pd.read_csv(DATA / "train.csv"), (val_rows, val_classes)
    boxes = read_boxes(DATA / "clean") if params.task == "localize" else None
    checkpoint = Checkpoint(MODELS / ".checkpoint.npz", identity(params, DATA))
    resumed, run_id = checkpoint.read() or (None, None)
    if process()[0] > 0:
        train(params, images, rows, val, on_epoch=lambda state: None, resumed=resumed, boxes=boxes)
        return

    open_store(params.tracking.experiment)
    with resume_run(run_id, resumed.rows, params, DATA) if resumed and run_id else start_run(params, DATA) as run:
        with epochs_logged(run.info.run_id) as log_epoch:

            def on_epoch(state: State) -> None:
                checkpoint.write(state, run.info.run_id)
                log_epoch(state.rows[-1])

            trained = train(params, images, rows, val, on_epoch, resumed, boxes)
            facts = _facts(params, trained)
            _write(trained, facts, plot_batch(params, images, rows, boxes))
        log_training(facts | _costs(trained), MODELS / "model.keras")
    checkpoint.remove()  # last: what the store does not have yet is in it


def _write(trained: Trained, facts: dict[str, str | float], first_batch: Figure) -> None:
    """Write the outputs of the stage."""
    with replaced_together(MODELS, REPORTS) as (models, reports):
        save_network(trained.model, models / "model.keras")
        first_batch.savefig(reports / "batch.png", dpi=100)
        trained.history.drop(columns="seconds").to_csv(reports / "history.csv", index=False)
        (models / "training.json").write_text(json.dumps(facts, indent=2) + "\n")


def _facts(params: Params, trained: Trained) -> dict[str, str | float]:
    """What the model is: outputs of this stage, so nothing that another run of the same training would not repeat."""
    asked = params.chosen_model.weights
    return {
        "weights": trained.weights if trained.weights == asked else f"{trained.weights} (asked for: {asked})",
        "precision": trained.precision,
        "parameters": trained.model.count_params(),
    }


def _costs(trained: Trained) -> dict[str, str | float]:
    """What the training ran on, and how long: for MLflow alone."""
    costs = {"device": trained.device, "training_seconds": round(float(trained.history["seconds"].sum()), 1)}
    if compiled := compile_seconds():
        logging.info("JAX compiled programs, or read them from its cache, for %.1f s", compiled)
        costs["compile_seconds"] = round(compiled, 1)
    return costs


if __name__ == "__main__":
    end_with_dvc()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with exit_on_user_error(), store_losses_told(REPEAT):
        main()
