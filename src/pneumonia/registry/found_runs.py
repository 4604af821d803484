"""Runs found in the MLflow store, and what they predicted."""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from pneumonia.errors import UserError, few
from pneumonia.evaluation.comparison import TABLES, Predictions
from pneumonia.registry.finding import every
from pneumonia.registry.outage import briefly, store_losses_told
from pneumonia.registry.places import refuse_absent


def find_run(client: MlflowClient, experiment: str, named: str) -> Run:
    """The run whose id is or begins with `named`, or the finished run whose name or DVC experiment that is.

    Raises:
        UserError: there is none, or more than one, or the store does not answer.
    """
    with briefly(), store_losses_told():
        known = client.get_experiment_by_name(experiment)
    runs = list(every(partial(client.search_runs, [known.experiment_id]))) if known else []
    for is_named in (
        lambda run: run.info.run_id == named,
        lambda run: run.info.status == "FINISHED" and named in (run.info.run_name, run.data.tags.get("dvc.experiment")),
        lambda run: len(named) >= 4 and run.info.run_id.startswith(named),
    ):
        found = [run for run in runs if is_named(run)]
        if len(found) > 1:
            ids = few([run.info.run_id[:8] for run in found])
            raise UserError(f"run {named!r} is not one but {len(found)}; it may be one of their ids: {ids}")
        if found:
            return found[0]
    latest = few([f"{run.info.run_name} ({run.info.run_id[:8]})" for run in runs])
    raise UserError(f"run {named!r} is not in experiment {experiment!r}; it may be {latest}")


def read_predictions(run_id: str) -> Predictions:
    """What a run predicted.

    Raises:
        UserError: the run was not evaluated, or its artifacts are gone.
    """
    tables: list[Path] = []
    run = mlflow.get_run(run_id)
    refuse_absent(run.info.artifact_uri, mlflow.get_tracking_uri())
    with TemporaryDirectory() as directory:
        for name in TABLES:
            place = f"reports/{name}"
            try:
                tables.append(Path(mlflow.artifacts.download_artifacts(None, run_id, place, directory)))
            except (MlflowException, OSError) as error:
                if tables:
                    break  # no localiser
                may_be = "it may be a run that was evaluated to its end"
                raise UserError(f"run {run_id} has no {place}; {may_be}") from error
        return Predictions.read(tables)
