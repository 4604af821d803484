"""Two runs on the same films: which is better, and whether these films can tell."""

from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from pneumonia.errors import UserError
from pneumonia.evaluation.bootstrap import Calls, Figures, binary_figures, class_figures, paired_difference
from pneumonia.labels import WITHOUT_PNEUMONIA
from pneumonia.params import load_params
from pneumonia.registered import existing_store

PREDICTIONS = "reports/predictions.csv"


def compare_runs(first: str, second: str, part: str) -> pd.DataFrame:
    """The paired comparison (see `compare`) of two runs of the experiment in params.yaml, each as `find_run` finds it.

    Raises:
        UserError: no such run, one that was not evaluated, or other films.
    """
    experiment = load_params().tracking.experiment
    mlflow.set_tracking_uri(existing_store())
    client = MlflowClient()
    one, other = (read_predictions(find_run(client, experiment, named).info.run_id) for named in (first, second))
    return compare(one, other, part)


def find_run(client: MlflowClient, experiment: str, named: str) -> Run:
    """The run with this id, or the start of one, or this name, or of this DVC experiment.

    Raises:
        UserError: there is none, or more than one.
    """
    known = client.get_experiment_by_name(experiment)
    runs = client.search_runs([known.experiment_id], max_results=5000) if known else []
    for is_named in (
        lambda run: run.info.run_id == named,
        lambda run: run.info.run_name == named or run.data.tags.get("dvc.experiment") == named,
        lambda run: len(named) >= 4 and run.info.run_id.startswith(named),
    ):
        found = [run for run in runs if is_named(run)]
        if len(found) > 1:
            ids = ", ".join(run.info.run_id[:8] for run in found[:5])
            raise UserError(f"run {named!r} is not one but {len(found)}; it may be one of their ids: {ids}")
        if found:
            return found[0]
    latest = ", ".join(f"{run.info.run_name} ({run.info.run_id[:8]})" for run in runs[:5]) or "none is there"
    raise UserError(f"run {named!r} is not in experiment {experiment!r}; it may be {latest}")


def read_predictions(run_id: str) -> pd.DataFrame:
    """What a run predicted: a row a film, with the `file`, `patient`, `class`, `part`, `probability`, `predicted`.

    Raises:
        UserError: the run was not evaluated.
    """
    try:
        file = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=PREDICTIONS)
    except (MlflowException, OSError) as error:
        raise UserError(f"run {run_id} has no {PREDICTIONS}; it may be a run that `dvc repro` has evaluated") from error
    return pd.read_csv(Path(file), dtype={"patient": str, "file": str}, keep_default_na=False)


def compare(first: pd.DataFrame, second: pd.DataFrame, part: str) -> pd.DataFrame:
    """The paired comparison of two runs' predictions (`read_predictions`) on the films of a part, by patient.

    See `evaluation.bootstrap.paired_difference`: each figure of both, the difference, its 95 % interval, what it means.
    The figures are those of pneumonia, and of more than two classes also `classes/roc_auc` and `classes/accuracy`.

    Raises:
        UserError: they did not predict the same films.
    """
    one, other = (table[table["part"] == part].sort_values("file", ignore_index=True) for table in (first, second))
    films = ["file", "patient", "class"]
    if not one[films].equals(other[films]):
        shared = len(one.merge(other, on=films))
        raise UserError(
            f"the runs cannot be compared: of their {part} films, {len(one)} and {len(other)}, {shared} are the same"
        )
    return paired_difference(_figures(one), _figures(other), one["patient"].to_numpy(str))


def _figures(films: pd.DataFrame) -> Callable[[np.ndarray], Figures]:
    sick = (~films["class"].isin(WITHOUT_PNEUMONIA)).to_numpy().astype(int)
    calls = Calls(films["probability"].to_numpy(), ~films["predicted"].isin(WITHOUT_PNEUMONIA).to_numpy())
    names = [column.removeprefix("probability_") for column in films if column.startswith("probability_")]
    if not names:
        return lambda weights: binary_figures(sick, calls, weights)
    truth, called = (films[column].map(names.index).to_numpy() for column in ("class", "predicted"))
    probabilities = films[[f"probability_{name}" for name in names]].to_numpy()

    def figures(weights: np.ndarray) -> Figures:
        over_classes = class_figures(truth, probabilities, called, weights)
        return binary_figures(sick, calls, weights) | {f"classes/{key}": each for key, each in over_classes.items()}

    return figures
