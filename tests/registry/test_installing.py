"""`pneumonia install-model`, on a registry that is new, and on one that has versions."""

import json
import shutil
from pathlib import Path

import keras
import mlflow
import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from pneumonia.commands.cli import app
from pneumonia.inference.predictor import FILES, TWIN
from pneumonia.registry import installing
from pneumonia.registry.pyfunc_model import log_radiograph_model
from pneumonia.registry.versions import give_alias

from ..small_classifier import brightness_network, decision, png, thorax, write_with_twin

NAME = "pneumonia-binary"
NOTICE = "For films of children's chests, and no medical device."


@pytest.fixture(scope="module")
def brought(tmp_path_factory) -> Path:
    """What a package may bring: here the network whose answer is a film's brightness."""
    chosen = decision(threshold=0.9).model_copy(update={"notice": NOTICE})
    folder = write_with_twin(tmp_path_factory.mktemp("brought"), brightness_network(), chosen)
    (folder / installing.CARD).write_text("# Brightness\n\nCC BY 4.0 “Mendeley”")
    (folder / installing.TAGS).write_text(json.dumps({"dataset": "kermany", "test.roc_auc": "0.9"}))
    return folder


@pytest.fixture
def fresh(tmp_path, monkeypatch, brought, empty_database) -> Path:
    """A folder with an empty registry, and a film."""
    monkeypatch.setattr(installing, "MODEL_TO_TRY", brought)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    (tmp_path / "film.png").write_bytes(png(thorax(0)))
    yield tmp_path
    mlflow.set_tracking_uri(None)


def run(*arguments: str) -> str:
    said = CliRunner().invoke(app, arguments)
    assert said.exit_code == 0, said.output
    return said.output


def register_another(dataset: str, brought: Path) -> None:
    """Version 1 of the model, its champion, trained on `dataset`."""
    mlflow.set_tracking_uri(f"sqlite:///{Path.cwd()}/mlflow.db")
    mlflow.create_experiment("test", artifact_location=(Path.cwd() / "mlruns").as_uri())
    mlflow.set_experiment("test")
    with mlflow.start_run():
        log_radiograph_model(brought, "model", NAME)
    give_alias(NAME, "1", {"dataset": dataset}, lambda _: ("champion", "there was none"))


def test_on_a_fresh_machine_it_is_champion_and_answers_with_its_notice(fresh):
    assert f"{NAME} version 1 is champion: there was none" in run("install-model")
    version = MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db").get_model_version(NAME, "1")
    assert version.description == "# Brightness\n\nCC BY 4.0 “Mendeley”"
    assert (version.tags["dataset"], version.tags["test.roc_auc"]) == ("kermany", "0.9")
    said = CliRunner().invoke(app, ["predict", "film.png", "--format", "json"])
    [row] = json.loads(said.stdout)
    assert row["probability"] == pytest.approx(thorax(0).mean() / 255, abs=0.003)
    assert NOTICE in said.stderr.splitlines()


def test_installed_again_it_makes_no_second_version(fresh, brought):
    run("install-model")
    run("install-model")
    assert f"{NAME} version 1 is that model already" in run("install-model")
    assert len(MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db").search_model_versions(f"name='{NAME}'")) == 1


def test_it_takes_the_place_of_what_knew_generated_films_and_no_other(fresh, brought):
    register_another("phantom", brought)
    assert "version 2 is champion: version 1 knew generated films only, this one kermany" in run("install-model")
    assert f"{NAME} version 1 is champion again, version 2 was" in run("rollback")


def test_beside_a_champion_of_real_films_it_is_challenger(fresh, brought):
    register_another("rsna", brought)
    assert "version 2 is challenger: it brings no validation predictions to compare with" in run("install-model")
    assert (
        str(MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db").get_model_version_by_alias(NAME, "champion").version)
        == "1"
    )


def test_a_package_that_brings_no_model_says_so_and_makes_no_registry(fresh, monkeypatch):
    (fresh / "mlflow.db").unlink()
    before = sorted(fresh.rglob("*"))
    monkeypatch.setattr(installing, "MODEL_TO_TRY", fresh / "none")
    said = CliRunner().invoke(app, ["install-model"])
    assert said.exit_code == 1
    assert said.stderr.startswith(f"error: {fresh / 'none'}: model.keras, decision.json, familiarity.npz, ")
    assert said.stderr.count("\n") == 1
    assert sorted(fresh.rglob("*")) == before


def test_what_comes_with_the_package_is_whole_small_and_says_what_it_does_not_know():
    files = {file.name for file in installing.MODEL_TO_TRY.iterdir()}
    assert files == {*FILES, TWIN, installing.CARD, installing.TAGS}
    assert sum(file.stat().st_size for file in installing.MODEL_TO_TRY.iterdir()) < 5_000_000
    card = (installing.MODEL_TO_TRY / installing.CARD).read_text(encoding="utf-8")
    for part in ("CC BY 4.0", "rscbjbr9sj", "## What it does not know", "no medical device"):
        assert part in card
    assert "children" in json.loads((installing.MODEL_TO_TRY / "decision.json").read_text())["notice"]
    assert keras.saving.load_model(installing.MODEL_TO_TRY / "model.keras", compile=False).count_params() < 1_000_000
