"""Several trainings under one parent run, compared and tabled, on a real store."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from scipy.stats import norm
from typer.testing import CliRunner

from pneumonia.commands.cli import app
from pneumonia.errors import UserError
from pneumonia.registry.checklist import facts_of
from pneumonia.registry.found_runs import find_run
from pneumonia.registry.repeat_runs import children_of, complete_repeat, finished_trainings, open_repeat
from pneumonia.registry.run_comparison import compare_named
from pneumonia.registry.run_table import as_markdown, run_table
from pneumonia.registry.runs import complete_run, log_evaluation, log_training, start_run
from pneumonia.registry.store import open_store

from .test_runs import MODEL_FILE
from .test_runs import repository as repository  # a fixture


def trained(make_params, monkeypatch, name: str, separation: float, fold: int, seed: int, complete: bool = True) -> str:
    """A run of 200 test films, told apart by so many standard deviations, and of forty that validate this fold."""
    params = make_params({"seed": seed, "split.folds": 2, "split.fold": fold, "evaluate.draws": 200})
    shutil.copy(Path.cwd().parent / "params.yaml", "params.yaml")
    films = pd.DataFrame({"file": [f"{n:03}.png" for n in range(280)]})
    films["part"] = ["test"] * 200 + (["val"] * 40 + ["-"] * 40 if fold == 0 else ["-"] * 40 + ["val"] * 40)
    films["class"] = np.where(films.index % 2, "pneumonia", "normal")
    films["label"], films["patient"] = films["class"].replace("pneumonia", "viral"), films["file"]
    noise = np.random.default_rng(0).normal(size=280) + np.random.default_rng(seed + 10 * fold + 1).normal(0, 0.3, 280)
    films["probability"] = norm.cdf(noise / 2 + separation * ((films["class"] == "pneumonia") - 0.5))
    films["predicted"] = np.where(films["probability"] >= 0.5, "pneumonia", "normal")
    films[films["part"] != "-"].to_csv("reports/predictions.csv", index=False)
    auc = {"roc_auc": 0.8 + seed / 100}
    intervals = pd.DataFrame({"part": ["test"], "metric": "roc_auc", "value": 0.8, "low": 0.7, "high": 0.9})
    monkeypatch.setenv("DVC_EXP_NAME", name)
    open_store("pneumonia")
    with start_run(params, Path("data")) as run:
        log_training({"training_seconds": 60.0 * (seed + 1)}, MODEL_FILE)
        log_evaluation({"test": auc}, intervals, [], 1.5, Path("reports"))
        if complete:
            complete_run()
    monkeypatch.delenv("DVC_EXP_NAME")
    return str(run.info.run_id)


@pytest.fixture
def repeats(repository, make_params, monkeypatch):
    """Two repeats of two folds and two seeds, `poor` and `good`, and a single run."""
    client = open_store("pneumonia")
    for name, separation in (("poor", 0.4), ("good", 2.0)):
        names = [f"{name}-f{fold}-s{seed}" for seed in (0, 1) for fold in (0, 1)]
        for each in names:
            trained(make_params, monkeypatch, each, separation, int(each[-4]), int(each[-1]))
        run_id = open_repeat(client, "pneumonia", name, {"folds": 2, "seeds": 2})
        done = finished_trainings(client, "pneumonia", names)
        complete_repeat(client, run_id, [done[each] for each in names], make_params({"evaluate.draws": 200}))
    trained(make_params, monkeypatch, "alone", 2.0, 0, 7)
    return client


def test_a_parent_has_its_children_their_mean_and_the_out_of_fold_predictions(repeats: MlflowClient):
    parent = find_run(repeats, "pneumonia", "good")
    children = children_of(repeats, parent)
    order = [(each.data.params["split.fold"], each.data.params["seed"]) for each in children]
    assert order == [("0", "0"), ("0", "1"), ("1", "0"), ("1", "1")]
    metrics = parent.data.metrics
    assert metrics["test/roc_auc_low"] < metrics["test/roc_auc"] < metrics["test/roc_auc_high"]
    assert metrics["test/roc_auc_sd"] > 0
    assert metrics["training_seconds"] == 360
    assert 0 < metrics["out_of_fold/threshold"] < 1
    assert {each.path for each in repeats.list_artifacts(parent.info.run_id)} == {"out_of_fold.csv", "repeats.csv"}
    again = open_repeat(repeats, "pneumonia", "good", {"folds": 2, "seeds": 2})
    assert again == parent.info.run_id  # what a killed repeat goes on with


def test_the_checklist_of_a_repeat_says_which_training_it_tells_of(repeats: MlflowClient):
    parent = find_run(repeats, "pneumonia", "good")
    said = facts_of(repeats, parent)["trainings"]
    first = children_of(repeats, parent)[0].info.run_name
    assert said.startswith("4 trainings: 2 folds, 2 seeds")
    assert said.endswith(f"are told of the first of them, {first}")


def test_two_repeats_are_compared_over_patients_and_trainings(repeats: MlflowClient):
    said, table = compare_named("poor", "good", "test")
    assert table.loc["roc_auc", "means"] == "the second is better"
    assert "the first is the mean of 4 trainings; the second the mean of 4 trainings" in said
    assert set(table["larger"]) <= {"patients", "trainings"}
    said, table = compare_named("alone", "good", "test")
    assert "the first is one training, taken to vary as the other's do" in said
    assert table.loc["roc_auc", "means"] == "no difference that these films and trainings can show"
    said, _ = compare_named("alone", "alone", "test")
    assert "both are single trainings: other seeds may differ by as much" in said
    with pytest.raises(UserError, match="folds validate on other films each, so --part may be test"):
        compare_named("poor", "good", "val")


def test_a_table_has_mean_and_spread_n_and_minutes(repeats: MlflowClient, tmp_path):
    table = run_table(["good", "alone"], ["test/roc_auc"])
    # AUCs as logged are 0.80 and 0.81, twice each; minutes 1 and 2. The run alone has seed 7: 0.87, 8 minutes.
    assert table["test/roc_auc"].tolist() == pytest.approx([0.805, 0.87])
    assert table["test/roc_auc sd"][0] == pytest.approx(np.std([0.80, 0.81, 0.80, 0.81], ddof=1))
    lines = as_markdown(table, ["test/roc_auc"]).splitlines()
    assert lines[2] == "| good | cnn | 4 | 0.805 ± 0.006 | 1.5 |"
    assert lines[3].endswith("| cnn | 1 | 0.870 | 8.0 |")
    said = CliRunner().invoke(app, ["table", "good", "--metric", "test/roc_auc", "--output", str(tmp_path / "t.csv")])
    assert "0.805 ± 0.006" in said.stdout
    assert pd.read_csv(tmp_path / "t.csv")["n"].tolist() == [4]
    mistake = CliRunner().invoke(app, ["table", "good", "--metric", "auc"])
    assert "has no metric 'auc'; it may be test/roc_auc" in mistake.stderr


def test_suspects_need_folds_and_come_with_a_contact_sheet(repeats: MlflowClient, tmp_path):
    index = pd.DataFrame({"file": [f"{n:03}.png" for n in range(280)]})
    index.to_csv("data/clean/index.csv", index=False)
    np.save("data/clean/images.npy", np.zeros((280, 8, 8), np.uint8))
    said = CliRunner().invoke(app, ["suspects", "poor", "--output", str(tmp_path / "found")])
    assert "of 80 labels about" in said.stdout, said.output
    found = pd.read_csv(tmp_path / "found" / "suspects.csv")
    assert found["margin"].is_monotonic_increasing
    assert (found["class"] != found["suggested"]).all()
    assert (tmp_path / "found" / "suspects.png").stat().st_size > 5000
    mistake = CliRunner().invoke(app, ["suspects", "alone"])
    assert "has no out_of_fold.csv; it may be one of `pneumonia repeat --folds 5`" in mistake.stderr


def test_a_training_that_was_not_evaluated_is_none_of_a_repeat(repository, make_params, monkeypatch):
    client = open_store("pneumonia")
    trained(make_params, monkeypatch, "x-f0-s0", 1.0, 0, 0, complete=False)
    assert finished_trainings(client, "pneumonia", ["x-f0-s0"]) == {}
    run_id = open_repeat(client, "pneumonia", "x", {})
    with pytest.raises(UserError, match="repeat x is not complete; the same `pneumonia repeat` again goes on with it"):
        children_of(client, client.get_run(run_id))


def test_a_name_is_of_one_state_of_code_and_settings(repository):
    client = open_store("pneumonia")
    run_id = open_repeat(client, "pneumonia", "x", {"state": "abc"})
    assert open_repeat(client, "pneumonia", "x", {"state": "abc"}) == run_id
    with pytest.raises(UserError, match="repeat 'x' is of another commit, other edits or other settings"):
        open_repeat(client, "pneumonia", "x", {"state": "def"})
