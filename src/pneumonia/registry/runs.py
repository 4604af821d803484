"""The MLflow run of a training and its evaluation: its parameters and data, its epochs, its metrics."""

import json
import logging
import math
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import keras
import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from pneumonia.outputs import fingerprint
from pneumonia.params.load import Params
from pneumonia.registry.epochs import log_epochs, log_missing_epochs
from pneumonia.registry.finding import every
from pneumonia.registry.ghosts import FINISHED, PROCESS, this_process
from pneumonia.registry.outage import briefly
from pneumonia.registry.places import refuse_foreign

log = logging.getLogger(__name__)

MODEL = "pneumonia.model_sha256"
"""The tag of a run that says which file it trained: the same training gives the same file, whenever it is run."""

COSTS = ("device", "training_seconds", "compile_seconds")
"""What a run knows of its training and the model's files do not."""

TEMPERATURE = "temperature"
"""The metric of a run by which its probabilities are scaled."""


@contextmanager
def start_run(params: Params, data: Path) -> Iterator[Run]:
    """Start a run for the block, with its parameters, its data and what started it.

    `data` holds `clean/images.npy` and `split.csv`.
    """
    experiment_name = os.environ.get("DVC_EXP_NAME")
    name = f"{params.model}-{params.dataset}-{params.task}" + (f" {experiment_name}" if experiment_name else "")
    with run_until_the_end(mlflow.start_run(run_name=name, tags=_tags(params) | {PROCESS: this_process()})) as run:
        mlflow.log_params(_flat_params(params))
        split = pd.read_csv(data / "split.csv", dtype={"patient": str}, keep_default_na=False)
        digest = fingerprint([data / "clean" / "images.npy", data / "split.csv"])
        for part, context in (("train", "training"), ("val", "validation"), ("test", "testing")):
            films = split.loc[split["part"] == part, ["file", "patient", "label", "class"]]
            dataset = from_pandas(films, targets="class", name=f"{params.dataset}-{part}", digest=digest[:16])
            mlflow.log_input(dataset, context=context)
        yield run


@contextmanager
def resume_run(run_id: str, rows: list[dict[str, float]], params: Params, data: Path) -> Iterator[Run]:
    """Continue, for the block, the run of a training that was killed after `rows`.

    The rows that it lacks are logged now. A run that is gone is made anew.
    """
    is_open = _is_open(run_id)
    if not is_open:
        log.warning("run %s cannot be gone on with, so this is a new one", run_id)
    with go_on(run_id) if is_open else start_run(params, data) as run:
        log_missing_epochs(run.info.run_id, rows)
        mlflow.set_tag("pneumonia.resumed_after_epoch", int(rows[-1]["epoch"]))
        yield run


@contextmanager
def run_until_the_end(run: Run) -> Iterator[Run]:
    """End an active run with the block, as failed where an exception leaves it, whatever the store says."""
    try:
        mlflow.set_tag(PROCESS, this_process())
        yield run
    except BaseException:
        with briefly(), suppress(MlflowException):
            mlflow.end_run("FAILED")
        raise
    mlflow.end_run()


def _is_open(run_id: str) -> bool:
    try:
        run = MlflowClient().get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    return run.info.lifecycle_stage == "active" and FINISHED not in run.data.tags


@contextmanager
def go_on(run_id: str) -> Iterator[Run]:
    """Continue a run for the block."""
    refuse_foreign(MlflowClient().get_run(run_id).info.artifact_uri, mlflow.get_tracking_uri())
    with run_until_the_end(mlflow.start_run(run_id=run_id)) as run:
        yield run


@contextmanager
def continue_run(
    model: Path, training: dict[str, Any], params: Params, data: Path, history: pd.DataFrame
) -> Iterator[Run]:
    """Continue the run that trained `model`, or make it anew, for the block.

    It is found by the content of the file. It is made anew, from the `history` and the facts of the `training`, where
    the store does not hold it (a clone that pulled the cache has the model, not the store), and where it is complete
    (only the evaluation was repeated): a complete run is never changed.
    """
    runs = _runs_that_trained(model, params)
    for run in runs:
        if FINISHED not in run.data.tags:
            with go_on(run.info.run_id) as continued:
                yield continued
            return
    why_anew = "its evaluation was complete" if runs else "it was not in this store"
    log.warning("a new run for the model, since the one that trained it is none to go on with: %s", why_anew)
    with start_run(params, data) as anew:
        mlflow.set_tag("pneumonia.made_anew", why_anew)
        costs: dict[str, Any] = {}
        if runs:
            mlflow.set_tag("pneumonia.trained_in", runs[0].info.run_id)
            known = runs[0].data.tags | runs[0].data.metrics
            costs = {name: known[name] for name in COSTS if name in known}
        rows = history.to_dict("records")
        log_epochs(anew.info.run_id, ({str(key): float(value) for key, value in row.items()} for row in rows))
        log_training(training | costs, model)
        yield anew


def _runs_that_trained(model: Path, params: Params) -> list[Run]:
    """The runs of the experiment that trained `model`, the latest first, those of this DVC experiment before others."""
    client = MlflowClient()
    known = client.get_experiment_by_name(params.tracking.experiment)
    filters = f"tags.`{MODEL}` = '{fingerprint([model])}'"
    found = list(every(partial(client.search_runs, [known.experiment_id], filters))) if known else []
    name = os.environ.get("DVC_EXP_NAME")
    return sorted(found, key=lambda run: run.data.tags.get("dvc.experiment") != name)


def log_training(facts: dict[str, Any], model: Path) -> None:
    """Log what training cost and what it started from, numbers as metrics, words as tags, and which `model` it gave."""
    for name, value in facts.items():
        if isinstance(value, str):
            mlflow.set_tag(name, value)
        else:
            mlflow.log_metric(name, value)
    mlflow.set_tag(MODEL, fingerprint([model]))


WITH_INTERVAL = (
    "accuracy",
    "sensitivity",
    "specificity",
    "roc_auc",
    "classes/accuracy",
    "classes/roc_auc",
    "bacterial_against_viral/roc_auc",
    "boxes/map",
)
"""The metrics whose interval is beside them, as `…_low` and `…_high`."""


def log_evaluation(
    values: dict[str, dict[str, float]],
    intervals: pd.DataFrame,
    findings: list[str],
    temperature: float,
    reports: Path,
) -> None:
    """Log the metrics as `val/…` and `test/…`, the same few in every run, the temperature, and the reports.

    `values`, `intervals` and `findings` are the metrics, intervals and findings of `evaluation.outcome.Evaluation`.
    """
    metrics = {
        f"{part}/{name}": value
        for part, of_part in values.items()
        for name, value in of_part.items()
        if not name.endswith(("positives", "negatives"))  # counts are in the confusion matrices
    }
    for row in intervals[intervals["metric"].isin(WITH_INTERVAL)].itertuples():
        metrics |= {f"{row.part}/{row.metric}_low": row.low, f"{row.part}/{row.metric}_high": row.high}
    mlflow.log_metrics({name: value for name, value in metrics.items() if math.isfinite(value)})
    mlflow.log_metric(TEMPERATURE, temperature)
    mlflow.log_artifacts(str(reports), "reports")
    mlflow.log_artifact("params.yaml")
    mlflow.set_tag("shortcuts", len(findings))


def complete_run() -> None:
    """Mark the run as complete: its model is registered."""
    mlflow.set_tag(FINISHED, "true")


def _tags(params: Params) -> dict[str, str]:
    tags = {
        "dataset": params.dataset,
        "task": params.task,
        "model": params.model,
        "backend": keras.backend.backend(),
        "git.commit": _git("rev-parse", "HEAD"),
        "git.branch": _git("rev-parse", "--abbrev-ref", "HEAD"),
        "git.dirty": str(bool(_git("status", "--porcelain", "--untracked-files=no", ":!dvc.lock"))).lower(),
        "dvc.experiment": os.environ.get("DVC_EXP_NAME", ""),
        "dvc.baseline": os.environ.get("DVC_EXP_BASELINE_REV", ""),
    }
    return {key: value for key, value in tags.items() if value}


def _git(*arguments: str) -> str:
    """What git prints, or an empty string outside a git repository (a package without its history runs too)."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _flat_params(params: Params) -> dict[str, Any]:
    """The parameters that were used, by names like `train.epochs`: only the chosen dataset and model are in it."""
    values = params.model_dump()
    source, network = values["datasets"][params.dataset], values["models"][params.model]
    blocks = {
        # What the user's own names mean is one value: as names of parameters MLflow would refuse some of them.
        "data": {
            key: json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
            for key, value in source.items()
            if key != "recommended"
        },
        "model": {key: value for key, value in network.items() if key != "recommended"},
        **{name: values[name] for name in ("clean", "split", "rebalance", "train")},
    }
    flat = {name: values[name] for name in ("seed", "dataset", "task", "model")}
    for name, block in blocks.items():
        for key, value in block.items():
            nested = value if isinstance(value, dict) else None
            flat |= {f"{name}.{key}.{inner}": v for inner, v in nested.items()} if nested else {f"{name}.{key}": value}
    return flat
