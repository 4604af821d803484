"""A project's folder that was moved or copied with its registry, by real moves and real commands."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from typer.testing import CliRunner

from pneumonia.commands.cli import app
from pneumonia.errors import UserError
from pneumonia.registry.found_runs import read_predictions
from pneumonia.registry.places import LOCATIONS
from pneumonia.registry.pyfunc_model import log_radiograph_model
from pneumonia.registry.runs import resume_run
from pneumonia.registry.store import open_store

from ..small_classifier import brightness_network, decision, png, thorax, write_classifier


@pytest.fixture
def project(tmp_path, monkeypatch, empty_database) -> Path:
    """A project's folder with a registered model and a run's predictions, in a path with a blank."""
    folder = tmp_path / "my project"
    folder.mkdir()
    shutil.copy(empty_database, folder)
    write_classifier(folder / "models", brightness_network(), decision())
    (folder / "film.png").write_bytes(png(thorax(0)))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    use(folder, monkeypatch)
    train(folder)
    yield folder
    mlflow.end_run()
    mlflow.set_tracking_uri(None)


def use(folder: Path, monkeypatch) -> None:
    """Work in `folder`, as another process would."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow sets it
    mlflow.set_tracking_uri(None)


def train(folder: Path) -> str:
    """What a training and its evaluation write; the run's id."""
    client = open_store("pneumonia")
    with mlflow.start_run() as run:
        mlflow.log_text("file,part,probability\n", "reports/predictions.csv")
        log_radiograph_model(folder / "models", "model", "pneumonia-binary")
    client.set_registered_model_alias("pneumonia-binary", "champion", "1")
    return run.info.run_id


def files(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def ask(*arguments: str) -> str:
    said = CliRunner().invoke(app, arguments)
    assert said.exit_code in (0, 1)
    return said.stdout + said.stderr


def named_places(folder: Path) -> set[str]:
    """The folders of all places in the database that begin with a slash."""
    with sqlite3.connect(folder / "mlflow.db") as database:
        rows = [row[0] for table, column in LOCATIONS for row in database.execute(f"SELECT {column} FROM {table}")]
    database.close()
    return {
        row.removeprefix("file://").partition("/mlruns")[0] for row in rows if row and "/" in row.partition(":/m")[0]
    }


def test_a_project_that_was_moved_names_the_old_place_and_goes_on_after_relocate(project, monkeypatch):
    moved = project.with_name("moved")
    project.rename(moved)
    use(moved, monkeypatch)
    before = set(files(moved))
    said = ask("predict", "film.png")
    assert f"artifacts lie in {project}/mlruns, which is not there; if " in said
    assert f"`pneumonia relocate` enters {moved}/mlruns instead" in said
    with pytest.raises(UserError, match="`pneumonia relocate`"):
        open_store("pneumonia")
    assert not project.exists()
    assert set(files(moved)) <= before | {f"{moved}/mlflow.db.lock"}

    assert ask("relocate").endswith(f"places changed to {moved}/mlruns\n")
    assert "/my" not in str(named_places(moved))
    assert ": 0 places changed" in ask("relocate")
    assert ",1,," in ask("predict", "film.png", "--format", "csv")
    run_id = train(moved)
    assert read_predictions(run_id).films.empty
    assert "version 2 is champion" in ask("promote", "2")
    assert ",2,," in ask("predict", "film.png", "--format", "csv")
    assert not project.exists()
    assert (moved / "mlruns" / run_id / "artifacts" / "reports" / "predictions.csv").is_file()


def test_a_copy_never_writes_into_the_original(project, monkeypatch):
    copy = project.with_name("copy")
    shutil.copytree(project, copy)
    before = files(project)
    use(copy, monkeypatch)
    with pytest.raises(UserError, match=r"my project/mlruns, which is another project; .*`pneumonia relocate`"):
        train(copy)
    run_id = mlflow.MlflowClient().search_runs([open_experiment(copy)])[0].info.run_id
    with (
        pytest.raises(UserError, match="`pneumonia relocate`"),
        resume_run(run_id, [{"epoch": 1}], None, Path("data")),
    ):
        pass
    assert files(project) == before

    ask("relocate")
    train(copy)
    assert files(project) == before
    assert len(list((copy / "mlruns" / "models").iterdir())) == 2
    assert {str(copy)} == named_places(copy)


def open_experiment(folder: Path) -> str:
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    return mlflow.get_experiment_by_name("pneumonia").experiment_id


def test_artifacts_that_were_left_behind_are_named_and_nothing_is_changed(project, monkeypatch):
    copy = project.with_name("copy")
    copy.mkdir()
    shutil.copy(project / "mlflow.db", copy)
    use(copy, monkeypatch)
    before = (copy / "mlflow.db").read_bytes()
    said = ask("relocate")
    assert said.startswith(f"error: {copy}/mlruns")
    assert f"copy {project}/mlruns into this folder first" in said
    assert (copy / "mlflow.db").read_bytes() == before


@pytest.mark.parametrize("address", ["sqlite:///mlflow.db", "sqlite:///{project}/mlflow.db"])
def test_an_address_of_the_users_own_is_looked_at_alike(project, monkeypatch, address):
    moved = project.with_name("moved")
    project.rename(moved)
    use(moved, monkeypatch)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address.format(project=moved))
    with pytest.raises(UserError, match="which is not there"):
        open_store("pneumonia")
    assert not project.exists()


def test_a_relative_address_is_the_main_repositorys_in_an_experiments_copy(project, monkeypatch):
    copy = project / ".dvc" / "tmp" / "exps" / "copy"
    copy.mkdir(parents=True)
    use(copy, monkeypatch)
    monkeypatch.setenv("DVC_ROOT", str(project))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    open_store("pneumonia")
    assert mlflow.get_tracking_uri() == f"sqlite:///{project}/mlflow.db"
    assert not (copy / "mlflow.db").exists()


def test_a_folder_that_a_link_leads_to_was_not_moved(project, monkeypatch):
    real = project.with_name("real")
    project.rename(real)
    project.symlink_to(real)
    use(project, monkeypatch)
    train(project)
    assert ",1,," in ask("predict", "film.png", "--format", "csv")


def test_files_of_a_version_that_are_gone_are_named(project):
    shutil.rmtree(project / "mlruns" / "models")
    assert f"{project}/mlruns/models/m-" in (said := ask("predict", "film.png"))
    assert "is not there, but sqlite:///" in said


@pytest.mark.parametrize("character", ["?", "#", "%"])
def test_a_folder_that_no_address_can_name_is_one_line_and_nothing_is_made(tmp_path, monkeypatch, character):
    folder = tmp_path / f"p{character}x"
    folder.mkdir()
    use(folder, monkeypatch)
    with pytest.raises(UserError, match="no MLflow store can be under a name with"):
        open_store("pneumonia")
    assert sorted(tmp_path.iterdir()) == [folder]


def test_a_user_without_a_name_and_a_home_loads_mlflow():
    """As containers have it; with root's rights to read, since the environment may be root's."""
    rights = ["--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"]
    nobody = ["setpriv", "--reuid", "12345", "--clear-groups", *rights, "env", "-u", "HOME", sys.executable, "-c"]
    if os.geteuid() != 0 or shutil.which("setpriv") is None or subprocess.run([*nobody, ""], check=False).returncode:
        pytest.skip("only root can become a user without a name")
    code = "import pneumonia, mlflow, os; print(os.environ['HOME'])"
    done = subprocess.run([*nobody, code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
