"""Films of several places through the real pipeline: generated hospitals, and a table of a user's own films."""

import json
from pathlib import Path

import pandas as pd
import pytest

from .conftest import write_params
from .small_classifier import png, thorax
from .small_repository import SMALL, Repository

QUICK = SMALL | {"evaluate.draws": 200, "datasets.phantom.patients": 60}


def write_clinic(folder: Path) -> Path:
    """40 films of 20 patients with a table, in names of its own, and its path."""
    rows = ["Image,Finding,patient,scanner"]
    folder.mkdir()
    for number in range(40):
        (folder / f"{number}.png").write_bytes(png(thorax(number)))
        rows.append(f"{number},{'Infiltrate' if number // 2 % 2 else 'Clear'},{number // 2},{'AB'[number % 2]}")
    (folder / "films.csv").write_text("\n".join(rows) + "\n")
    return folder / "films.csv"


@pytest.mark.slow
def test_a_table_and_generated_films_are_trained_on_together(tmp_path: Path) -> None:
    repository, table = Repository(tmp_path / "project"), write_clinic(tmp_path / "clinic")
    chosen = {
        "dataset": "several",
        "datasets.several.of": ["phantom", str(table)],
        "datasets.folder.columns": {"file": "Image", "label": "Finding", "scanner": "scanner"},
        "datasets.folder.positive": ["infiltrate"],
        "datasets.folder.labels": {"clear": "normal"},
        "rebalance.by": "site_and_class",
    }
    write_params(repository.root / "params.yaml", QUICK | chosen)
    repository.run("dvc", "repro")
    films = pd.read_csv(repository.root / "data" / "split.csv")
    assert set(films["site"]) == {"phantom", "clinic"}
    assert films[films["site"] == "clinic"].groupby("patient")["part"].nunique().max() == 1
    drawn = pd.read_csv(repository.root / "data" / "train.csv").merge(films[["image", "site"]], on="image")
    assert drawn.groupby(["site", "class"])["weight"].sum().round(6).nunique() == 1
    test = json.loads((repository.root / "reports" / "metrics.json").read_text())["test"]
    aucs = [test[f"site/{site}/roc_auc"] for site in ("phantom", "clinic")]
    assert test["sites/worst/roc_auc"] == min(aucs)
    assert test["sites/mean/roc_auc"] == pytest.approx(sum(aucs) / 2)
    [run] = repository.mlflow_runs()
    assert run.data.metrics["test/sites/worst/roc_auc"] == min(aucs)
    assert "In each place" in (repository.root / "reports" / "report.html").read_text()
    groups = pd.read_csv(repository.root / "reports" / "evaluation" / "groups_test.csv")
    assert {"site", "scanner"} <= set(groups["by"])
    table.write_text(table.read_text().replace("0,Clear,0", "0,Infiltrate,0", 1))
    assert "Running stage 'download'" in repository.run("dvc", "repro", "download")


@pytest.mark.endurance
def test_each_site_is_left_out_in_turn_and_one_table_tells_what_came_out(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    write_params(tmp_path / "params.yaml", QUICK | {"datasets.phantom.hospitals": ["home", "lettered"]})
    repository.commit()
    repository.run("dvc", "exp", "run", "--queue", "-S", "split.leave_out=home,lettered")
    repository.run("dvc", "exp", "run", "--run-all")
    shown = repository.run("dvc", "exp", "show", "--csv", "--drop", ".*", "--keep", "split.leave_out|test.roc_auc$")
    for site in ("home", "lettered"):
        assert f",{site}" in shown
    runs = {run.data.params["split.leave_out"]: run.data.metrics for run in repository.mlflow_runs()}
    assert set(runs) == {"home", "lettered"}
    for site, metrics in runs.items():
        assert metrics["test/roc_auc"] == metrics[f"test/site/{site}/roc_auc"]
        assert f"val/site/{site}/roc_auc" not in metrics
