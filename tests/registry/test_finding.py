"""A registry and an experiment larger than a page of MLflow's answers."""

import sqlite3

import mlflow
import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from pneumonia.commands.cli import app
from pneumonia.errors import UserError
from pneumonia.registry.found_runs import find_run

from ..small_classifier import brightness_network, decision, png, register_classifier, thorax, write_classifier

OTHERS, VERSIONS, RUNS = 150, 230, 5050


@pytest.fixture(scope="module")
def store(tmp_path_factory, empty_database):
    """The address of a registry with a model among many, a model of many versions, and an experiment of many runs."""
    folder = tmp_path_factory.mktemp("store")
    (folder / "mlflow.db").write_bytes(empty_database.read_bytes())
    store = register_classifier(folder, write_classifier(folder / "models", brightness_network(), decision()))
    with sqlite3.connect(folder / "mlflow.db") as database:
        database.executemany(
            "INSERT INTO registered_models (name, workspace) VALUES (?, 'default')",
            [(f"another-{number:03}",) for number in range(OTHERS)] + [("o'brien",)],
        )
        database.executemany(
            "INSERT INTO model_versions (name, workspace, version, current_stage, status, source) "
            "VALUES (?, 'default', ?, 'None', 'READY', 'models:/m-0')",
            [(name, number) for name in ("another-007", "o'brien") for number in range(1, VERSIONS + 1)],
        )
        experiment = database.execute("SELECT experiment_id FROM experiments WHERE name = 'test'").fetchone()[0]
        database.executemany(
            "INSERT INTO runs (run_uuid, name, user_id, status, start_time, lifecycle_stage, experiment_id) "
            "VALUES (?, ?, '', 'FINISHED', ?, 'active', ?)",
            [(f"{number:032x}", f"run {number}", number, experiment) for number in range(RUNS)],
        )
    database.close()
    yield store
    mlflow.set_tracking_uri(None)


@pytest.fixture
def ask(store, monkeypatch):
    """The command `pneumonia` on this registry."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_a_model_is_found_among_more_than_a_page_of_others(ask, tmp_path):
    (tmp_path / "film.png").write_bytes(png(thorax(0)))
    for address in ("models:/pneumonia-binary@champion", "models:/pneumonia-binary/1"):
        said = ask("predict", str(tmp_path / "film.png"), "--model", address, "--format", "csv")
        assert said.exit_code == 0, said.stderr
        assert ",0.5,1," in said.stdout


def test_any_version_and_any_name_can_be_made_champion(ask):
    for name in ("another-007", "o'brien"):
        for version in ("1", str(VERSIONS)):
            assert f"{name} version {version} is champion" in ask("promote", version, "--model", name).stdout
        assert f"{name} version 1 is champion again, version {VERSIONS} was" in ask("rollback", "--model", name).stdout


@pytest.mark.parametrize("version", ["231", "0", "9" * 30, "one", "1'"])
def test_a_version_that_is_not_there_is_told_with_the_latest(ask, version):
    for name in ("another-007", "o'brien"):
        said = ask("promote", version, "--model", name)
        assert said.exit_code == 1
        told = f"{name} has no version {version[:20]!r}; it has 230, 229, 228, 227, 226 and 225 more"
        assert said.stderr == f"error: {told}\n"


@pytest.mark.parametrize("name", ["pneumonia-binry", "a:b", "o'brian", "x" * 300])
def test_a_name_that_is_not_there_is_told_with_a_few_that_are_like_it(ask, name, tmp_path):
    (tmp_path / "film.png").write_bytes(b"")
    for said in (
        ask("promote", "1", "--model", name),
        ask("predict", str(tmp_path / "film.png"), "--model", f"models:/{name}@champion"),
    ):
        assert said.exit_code == 1
        assert f"no model {name!r} in the registry" in said.stderr
        assert f"and {OTHERS + 2 - 5} more" in said.stderr
        assert said.stderr.count("\n") == 1
        nearest = {"pneumonia-binry": "it has pneumonia-binary, ", "o'brian": "it has o'brien, "}.get(name, "it has ")
        assert nearest in said.stderr


@pytest.mark.slow
def test_the_first_of_many_runs_is_found_by_id_and_name(store):
    client = MlflowClient(store)
    assert find_run(client, "test", "run 0").info.run_id == "0" * 32
    assert find_run(client, "test", f"{1:032x}").info.run_name == "run 1"
    with pytest.raises(UserError, match=rf"run 'no such' is not in experiment 'test'; .* and {RUNS + 1 - 5} more"):
        find_run(client, "test", "no such")
