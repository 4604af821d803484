"""A repeat in MLflow: one parent run for several trainings of a recipe, its children, with what they give together."""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from pneumonia.errors import UserError
from pneumonia.evaluation.operating_point import Wanted
from pneumonia.evaluation.out_of_fold import choose_on, measure, out_of_fold
from pneumonia.evaluation.repeats import Training, summarize
from pneumonia.params.load import Params
from pneumonia.registry.finding import every
from pneumonia.registry.found_runs import read_predictions
from pneumonia.registry.ghosts import FINISHED, PROCESS, this_process
from pneumonia.registry.runs import TEMPERATURE

REPEAT = "pneumonia.repeat"
"""The tag of a parent run: the repeat's name, with which the names of its trainings as DVC experiments begin."""

OUT_OF_FOLD = "out_of_fold.csv"
MEANS = "repeats.csv"


def open_repeat(client: MlflowClient, experiment: str, name: str, facts: dict[str, Any]) -> str:
    """The id of the parent run of the repeat `name`: the one that there is, running again, or a new one of `facts`.

    Raises:
        UserError: there is one whose `state`, one of `facts`, was another: its trainings are not these.
    """
    known = client.get_experiment_by_name(experiment)
    assert known is not None, "open_store makes it"
    found = client.search_runs([known.experiment_id], f"tags.`{REPEAT}` = '{name}'")
    if found:
        run_id = str(found[0].info.run_id)
        if found[0].data.params.get("state") != facts.get("state"):
            raise UserError(
                f"repeat {name!r} is of another commit, other edits or other settings; --name may be another or none"
            )
        client.update_run(run_id, "RUNNING")
    else:
        run = client.create_run(known.experiment_id, run_name=name, tags={REPEAT: name})
        run_id = str(run.info.run_id)
        for key, value in facts.items():
            client.log_param(run_id, key, value)
    client.set_tag(run_id, PROCESS, this_process())
    return run_id


def finished_trainings(client: MlflowClient, experiment: str, names: Sequence[str]) -> dict[str, Run]:
    """The complete runs of the DVC experiments `names`, the latest of each, by that name."""
    known = client.get_experiment_by_name(experiment)
    if known is None:
        return {}
    search = partial(client.search_runs, [known.experiment_id], f"tags.`{FINISHED}` = 'true'")
    found: dict[str, Run] = {}
    for run in every(search):  # the latest first
        name = run.data.tags.get("dvc.experiment", "")
        if name in names:
            found.setdefault(name, run)
    return found


def complete_repeat(client: MlflowClient, run_id: str, children: Sequence[Run], params: Params) -> pd.DataFrame:
    """Make `children` those of the parent run, and log what they give together; the table of `repeats.summarize`.

    As metrics `test/NAME`, the mean, with `_sd`, `_low` and `_high`; with folds `out_of_fold/NAME`. As artifacts
    `repeats.csv` and, with folds, `out_of_fold.csv` (see `evaluation.out_of_fold`).

    Raises:
        UserError: the children did not predict the same test films.
    """
    for child in children:
        client.set_tag(child.info.run_id, MLFLOW_PARENT_RUN_ID, run_id)
    trainings = [training_of(child) for child in children]
    table = summarize(trainings, "test", params.evaluate.draws)
    metrics: dict[str, float] = {}
    for name, row in table.iterrows():
        ends = {"": row["mean"], "_sd": row["sd"], "_low": row["low"], "_high": row["high"]}
        metrics |= {f"test/{name}{end}": float(value) for end, value in ends.items()}
    seconds = [child.data.metrics.get("training_seconds", math.nan) for child in children]
    metrics["training_seconds"] = sum(seconds)
    with TemporaryDirectory() as directory:
        table.to_csv(Path(directory, MEANS))
        if len({training.fold for training in trainings}) > 1:
            films = out_of_fold(trainings)
            films.to_csv(Path(directory, OUT_OF_FOLD), index=False)
            wanted = Wanted(params.evaluate.sensitivity, params.evaluate.cost_of_miss)
            choice = choose_on(films, params.evaluate.threshold, wanted, params.evaluate.cross_fit)
            metrics |= {f"out_of_fold/{key}": value for key, value in measure(films, choice).items()}
        client.log_artifacts(run_id, directory)
    for key, value in metrics.items():
        if math.isfinite(value):
            client.log_metric(run_id, key, value)
    client.set_tag(run_id, FINISHED, "true")
    client.set_terminated(run_id, "FINISHED")
    return table


def training_of(run: Run) -> Training:
    """What a complete run predicted, with its fold and seed."""
    films = read_predictions(run.info.run_id).films
    return Training(_fold(run), int(run.data.params["seed"]), films, run.data.metrics.get(TEMPERATURE))


def _fold(run: Run) -> int:
    return int(run.data.params.get("split.fold", 0))


def children_of(client: MlflowClient, run: Run) -> list[Run]:
    """The children of a parent run, in the order of their folds and seeds; of any other run that run alone.

    Raises:
        UserError: a repeat that is not complete.
    """
    if REPEAT not in run.data.tags:
        return [run]
    search = partial(
        client.search_runs, [run.info.experiment_id], f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run.info.run_id}'"
    )
    children = list(every(search))
    if FINISHED not in run.data.tags or not children:
        raise UserError(
            f"repeat {run.info.run_name} is not complete; the same `pneumonia repeat` again goes on with it"
        )
    return sorted(children, key=lambda each: (_fold(each), int(each.data.params["seed"])))


def out_of_fold_table(client: MlflowClient, run: Run) -> pd.DataFrame:
    """The table of films that a repeat with folds has (see `evaluation.out_of_fold`).

    Raises:
        UserError: the run is no repeat with folds.
    """
    names = [each.path for each in client.list_artifacts(run.info.run_id)] if REPEAT in run.data.tags else []
    if OUT_OF_FOLD not in names:
        raise UserError(f"run {run.info.run_name} has no {OUT_OF_FOLD}; it may be one of `pneumonia repeat --folds 5`")
    with TemporaryDirectory() as directory:
        file = mlflow.artifacts.download_artifacts(None, run.info.run_id, OUT_OF_FOLD, directory)
        return pd.read_csv(file, dtype={"patient": str, "file": str}, keep_default_na=False)
