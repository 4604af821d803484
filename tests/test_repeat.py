"""`pneumonia repeat` as a whole: DVC's queue, MLflow's runs, and what can be said of two groups of trainings."""

import pandas as pd
import pytest
from mlflow import MlflowClient

from pneumonia.registry.repeat_runs import REPEAT

from .small_repository import Repository


def pneumonia(repository: Repository, *arguments: str, check: bool = True) -> str:
    return repository.run("python", "-m", "pneumonia.commands.cli", *arguments, check=check, PYTHONPATH="src")


def runs_by_experiment(client: MlflowClient) -> dict[str, object]:
    [experiment] = client.search_experiments(filter_string="name = 'pneumonia'")
    return {
        run.data.tags.get("dvc.experiment", run.data.tags.get(REPEAT, "")): run
        for run in client.search_runs([experiment.experiment_id])
    }


@pytest.mark.endurance
def test_folds_and_seeds_are_experiments_under_one_parent_with_out_of_fold_predictions(tmp_path):
    repository = Repository(tmp_path)
    arguments = ["repeat", "--folds", "2", "--seeds", "2", "--jobs", "2", "--name", "small", "-S", "evaluate.draws=200"]
    before = repository.run("git", "status", "--short")
    said = pneumonia(repository, *arguments)
    assert "small: 4 trainings, 0 of them done before" in said
    assert repository.run("git", "status", "--short") == before  # the workspace is as it was
    runs = runs_by_experiment(repository.mlflow())
    children = [runs[f"small-f{fold}-s{seed}"] for fold in (0, 1) for seed in (0, 1)]
    parent = runs["small"]
    assert {child.data.tags["mlflow.parentRunId"] for child in children} == {parent.info.run_id}
    assert parent.info.status == "FINISHED"
    values = [child.data.metrics["test/roc_auc"] for child in children]
    assert parent.data.metrics["test/roc_auc"] == pytest.approx(sum(values) / 4)
    assert parent.data.metrics["test/roc_auc_sd"] == pytest.approx(pd.Series(values).std())

    # Films were fetched and cleaned once: each training found them as the first experiment had left them.
    log = repository.run("dvc", "queue", "logs", "small-f1-s1")
    assert "Stage 'clean' didn't change, skipping" in log

    folder = tmp_path / "mlruns" / parent.info.run_id / "artifacts"
    table = pd.read_csv(folder / "out_of_fold.csv", dtype={"patient": str})
    split = pd.read_csv(folder.parents[1] / children[0].info.run_id / "artifacts" / "reports" / "predictions.csv")
    tested = set(split.loc[split["part"] == "test", "file"])
    assert not tested & set(table["file"])
    assert len(table) == table["file"].nunique()
    assert table.groupby("patient")["fold"].nunique().max() == 1
    assert table["probability"].tolist() == pytest.approx(((table["seed_0"] + table["seed_1"]) / 2).tolist())
    assert 0 < parent.data.metrics["out_of_fold/threshold"] < 1

    again = pneumonia(repository, *arguments)
    assert "small: 4 trainings, 4 of them done before" in again
    assert len(runs_by_experiment(repository.mlflow())) == len(runs)

    compared = pneumonia(repository, "compare", "small-f0-s0", "small")
    assert "the first is one training, taken to vary as the other's do" in compared
    assert "the second the mean of 4 trainings" in compared
    shown = pneumonia(repository, "table", "small", "small-f0-s1")
    assert "| small | cnn | 4 |" in shown
    mistake = pneumonia(repository, "repeat", "--folds", "0", "--seeds", "1", check=False)
    assert "are one training; folds may be 0 or from 2 on" in mistake
