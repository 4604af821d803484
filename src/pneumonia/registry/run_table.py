"""Runs and repeats as a table that one can paste: a row each, the metrics with their spread, and what they cost."""

import math
from collections.abc import Sequence

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run

from pneumonia.errors import UserError, few
from pneumonia.params.load import load_params
from pneumonia.registry.address import existing_store
from pneumonia.registry.found_runs import find_run
from pneumonia.registry.repeat_runs import children_of


def run_table(named: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """A row for each run or repeat: `run`, `model`, `n` trainings, each metric, `NAME sd`, and `minutes` of training.

    A metric is the mean over the trainings, `sd` their standard deviation (NaN for one), and `minutes` their mean.

    Raises:
        UserError: no such run, a metric that a run does not have, or a repeat that is not complete.
    """
    experiment = load_params().tracking.experiment
    mlflow.set_tracking_uri(existing_store())
    client = MlflowClient()
    rows = []
    for name in named:
        run = find_run(client, experiment, name)
        children = children_of(client, run)
        row: dict[str, object] = {
            "run": run.info.run_name,
            "model": children[0].data.params.get("model", ""),
            "n": len(children),
        }
        for metric in metrics:
            values = [_metric(child, metric) for child in children]
            row |= {metric: np.mean(values), f"{metric} sd": np.std(values, ddof=1) if len(values) > 1 else math.nan}
        seconds = [child.data.metrics.get("training_seconds", math.nan) for child in children]
        rows.append(row | {"minutes": np.mean(seconds) / 60})
    return pd.DataFrame(rows)


def as_markdown(table: pd.DataFrame, metrics: Sequence[str]) -> str:
    """A `run_table` in Markdown, each metric as mean ± standard deviation."""
    lines = [["run", "model", "n", *metrics, "minutes"]]
    for row in table.to_dict("records"):
        shown = [
            f"{row[name]:.3f}" + ("" if math.isnan(row[f"{name} sd"]) else f" ± {row[f'{name} sd']:.3f}")
            for name in metrics
        ]
        minutes = "–" if math.isnan(row["minutes"]) else f"{row['minutes']:.1f}"
        lines.append([str(row["run"]), str(row["model"]), str(row["n"]), *shown, minutes])
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _metric(run: Run, name: str) -> float:
    if name not in run.data.metrics:
        may_be = few(sorted(each for each in run.data.metrics if each.startswith("test/")), 12)
        raise UserError(f"run {run.info.run_name} has no metric {name!r}; it may be {may_be}")
    return float(run.data.metrics[name])
