"""The MLflow run of a validation, and what the registered version says of it."""

import math
import re
from pathlib import Path

import mlflow
import pandas as pd
from mlflow import MlflowClient

from pneumonia.evaluation.home import Measured
from pneumonia.registry.ghosts import FINISHED
from pneumonia.registry.runs import WITH_INTERVAL, run_until_the_end
from pneumonia.registry.versions import TAGGED


def tagged_metrics(model: str, number: str) -> dict[str, Measured]:
    """The metrics of a version's own test films, as its tags have them (see `versions`)."""
    found = {}
    for key, text in MlflowClient().get_model_version(model, number).tags.items():
        ends = re.fullmatch(r"(\d\.\d+) \((\d\.\d+) to (\d\.\d+)\)", text)
        if key.startswith("test.") and ends:
            value, low, high = map(float, ends.groups())
            found[key.removeprefix("test.")] = Measured(value=value, low=low, high=high)
    return found


def log_validation(
    name: str,
    version: tuple[str, str],
    facts: dict[str, str],
    metrics: dict[str, float],
    intervals: pd.DataFrame,
    directory: Path,
) -> str:
    """Log a validation called `name` as a run `validation-NAME`, and tag the `version`, a name and a number, with it.

    The run has `facts` as tags, `metrics` as `test/…` and what is in `directory` as `reports`. The version's tags are
    `external.NAME.…`: the metrics with their intervals, the run, and the `facts`. Returns the run's id.
    """
    client, (model, number) = MlflowClient(), version
    logged = {f"test/{key}": value for key, value in metrics.items() if not key.endswith(("positives", "negatives"))}
    for row in intervals[intervals["metric"].isin(WITH_INTERVAL)].itertuples():
        logged |= {f"test/{row.metric}_low": row.low, f"test/{row.metric}_high": row.high}
    with run_until_the_end(mlflow.start_run(run_name=f"validation-{name}")) as run:
        mlflow.set_tags({**facts, "validation": name, "version": f"{model} version {number}"})
        mlflow.log_metrics({key: value for key, value in logged.items() if math.isfinite(value)})
        mlflow.log_artifacts(str(directory), "reports")
        mlflow.set_tag(FINISHED, "true")
    rows = intervals.set_index("metric")
    tags = {
        metric: "{value:.4f} ({low:.4f} to {high:.4f})".format(**rows.loc[metric])
        for metric in TAGGED
        if metric in rows.index
    }
    for key, text in {**tags, **facts, "run": run.info.run_id}.items():
        client.set_model_version_tag(model, number, f"external.{name}.{key}", text)
    return str(run.info.run_id)
