"""On real stores: a database of our own, and a real `mlflow server`."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from pneumonia.errors import UserError
from pneumonia.registry.epochs import log_epochs
from pneumonia.registry.finding import find_model
from pneumonia.registry.runs import (
    complete_run,
    continue_run,
    log_evaluation,
    log_training,
    resume_run,
    start_run,
)
from pneumonia.registry.store import open_store
from pneumonia.training.checkpoint import identity

from ..mlflow_server import Server
from ..shared_services import S3, need, postgresql, s3

MODEL_FILE, TRAINING = Path("model.keras"), {"weights": "random", "precision": "float32"}
HISTORY = pd.DataFrame({"epoch": [1.0, 2.0], "loss": [0.7, 0.5], "val_loss": [0.6, 0.4]})


@pytest.fixture
def repository(tmp_path, monkeypatch, empty_database):
    """A repository's root with an MLflow database and data of four films, as the working directory."""
    root = tmp_path / "repository"
    (root / "data" / "clean").mkdir(parents=True)
    np.save(root / "data" / "clean" / "images.npy", np.arange(4 * 64, dtype=np.uint8).reshape(4, 8, 8))
    pd.DataFrame(
        {
            "image": range(4),
            "file": list("abcd"),
            "label": ["normal", "viral"] * 2,
            "patient": list("abcd"),
            "class": ["normal", "pneumonia"] * 2,
            "part": ["train", "train", "val", "test"],
        }
    ).to_csv(root / "data" / "split.csv", index=False)
    (root / "reports").mkdir()
    (root / "reports" / "confusion.png").write_bytes(b"picture")
    (root / "params.yaml").write_text("seed: 0\n")
    (root / MODEL_FILE).write_bytes(b"a network")
    shutil.copy(empty_database, root)
    monkeypatch.chdir(root)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    yield root
    mlflow.end_run()
    mlflow.set_tracking_uri(None)


@pytest.fixture
def server(tmp_path):
    running = Server(tmp_path / "server")
    yield running.address
    running.kill()


FIGURES = {part: {"roc_auc": 0.9, "accuracy": 0.8, "true_positives": 5} for part in ("val", "test")}
INTERVALS = pd.DataFrame({"part": ["val", "test"], "metric": "roc_auc", "value": 0.9, "low": 0.85, "high": 0.95})


def run_all(params) -> str:
    """What train and evaluate log; the run's id."""
    data = Path("data")
    client = open_store(params.tracking.experiment)
    assert client.get_experiment_by_name(params.tracking.experiment)
    with start_run(params, data):
        log_epochs(mlflow.active_run().info.run_id, HISTORY.to_dict("records"))
        log_training(TRAINING | {"device": "a CPU", "training_seconds": 12.5}, MODEL_FILE)
    with continue_run(MODEL_FILE, TRAINING, params, data, HISTORY) as run:
        log_evaluation(FIGURES, INTERVALS, ["It cheats."], 1.5, Path("reports"))
        complete_run()
    return run.info.run_id


def assert_complete(run_id: str, dataset: str = "phantom") -> None:
    client = MlflowClient()
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["train.epochs"] == "14"
    assert (run.data.params["model.weights"], run.data.params["train.learning_rate"]) == ("random", "0.001")
    assert run.data.metrics["test/roc_auc"] == 0.9
    assert run.data.metrics["temperature"] == 1.5
    assert (run.data.metrics["val/roc_auc_low"], run.data.metrics["val/roc_auc_high"]) == (0.85, 0.95)
    assert "test/true_positives" not in run.data.metrics
    assert run.data.tags["shortcuts"] == "1"
    assert run.data.metrics["training_seconds"] == 12.5
    steps = [(metric.step, metric.value) for metric in client.get_metric_history(run_id, "epoch/val_loss")]
    assert steps == [(1, 0.6), (2, 0.4)]
    assert run.data.tags["weights"] == "random"
    inputs = {entry.dataset.name: entry.dataset.digest for entry in run.inputs.dataset_inputs}
    assert set(inputs) == {f"{dataset}-train", f"{dataset}-val", f"{dataset}-test"}
    artifacts = [file.path for file in client.list_artifacts(run_id, "reports")]
    assert "reports/confusion.png" in artifacts


def test_a_run_is_whole(repository, make_params):
    assert_complete(run_all(make_params()))
    assert (repository / "mlflow.db").exists()


@pytest.mark.slow
def test_the_same_against_a_server(repository, make_params, server, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    (repository / "mlflow.db").unlink()
    assert_complete(run_all(make_params()))
    assert not (repository / "mlflow.db").exists()


@pytest.mark.parametrize("hangs", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_server_that_is_not_there_is_told_in_one_line_within_fifteen_seconds(repository, monkeypatch, hangs):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if hangs:
            listener.listen()  # and never answers
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        for ask in (lambda: open_store("pneumonia"), lambda: find_model(MlflowClient(), address, "pneumonia-binary")):
            started = time.monotonic()
            with pytest.raises(UserError, match="timed out" if hangs else "Connection refused") as error:
                ask()
            assert time.monotonic() - started < 15
            assert address in str(error.value)
            assert "\n" not in str(error.value)
            assert len(str(error.value)) < 160


KILLED = """
import os, signal, sys; sys.path[:0] = [{tests!r}]
from pathlib import Path
from pneumonia.params.load import load_params
from pneumonia.registry.runs import start_run
from pneumonia.registry.store import open_store
open_store("pneumonia")
with start_run(load_params(Path({params!r})), Path("data")) as run:
    print(run.info.run_id, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_the_same_against_a_server_on_postgresql_and_an_object_store(repository, make_params, monkeypatch, tmp_path):
    need("psycopg2", "boto3", "moto")
    with postgresql() as database, s3() as objects:
        running = Server(tmp_path / "server", database, "s3://films/runs", MLFLOW_S3_ENDPOINT_URL=objects, **S3)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", running.address)
        try:
            run_id = run_all(make_params())
            assert_complete(run_id)
            picture = Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="reports/confusion.png"))
            assert picture.read_bytes() == b"picture"
        finally:
            running.kill()
    assert not (repository / "mlruns").exists()


def test_a_run_whose_process_was_killed_is_marked_and_one_that_runs_is_not(repository, make_params, tmp_path):
    params = make_params()
    code = KILLED.format(tests=str(Path(__file__).parents[2]), params=str(tmp_path / "params.yaml"))
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    killed = done.stdout.splitlines()[-1]
    mlflow.set_tracking_uri(f"sqlite:///{repository / 'mlflow.db'}")
    assert MlflowClient().get_run(killed).info.status == "RUNNING"
    client = open_store("pneumonia")
    assert client.get_run(killed).info.status == "KILLED"
    with start_run(params, Path("data")) as run:
        open_store("pneumonia")
        assert client.get_run(run.info.run_id).info.status == "RUNNING"
    assert client.get_run(run.info.run_id).info.status == "FINISHED"


def test_an_evaluated_run_is_never_changed(repository, make_params):
    params = make_params()
    run_id = run_all(params)
    with continue_run(MODEL_FILE, TRAINING, params, Path("data"), HISTORY) as again:
        pass
    assert again.info.run_id != run_id
    data = MlflowClient().get_run(again.info.run_id).data
    assert data.tags["pneumonia.trained_in"] == run_id
    assert data.tags["pneumonia.made_anew"] == "its evaluation was complete"
    # What the model's files do not know is that of the run that trained it.
    assert (data.tags["device"], data.tags["weights"], data.metrics["training_seconds"]) == ("a CPU", "random", 12.5)


def test_a_run_that_the_store_does_not_hold_is_made_anew(repository, make_params):
    params = make_params()
    open_store(params.tracking.experiment)
    with continue_run(MODEL_FILE, TRAINING, params, Path("data"), HISTORY) as run:
        pass
    made = MlflowClient().get_run(run.info.run_id).data
    assert made.tags["pneumonia.made_anew"] == "it was not in this store"
    assert made.metrics["epoch/loss"] == 0.5
    assert made.params["model"] == "cnn"


def test_a_model_finds_its_run_by_its_content_and_by_its_experiment(repository, make_params, monkeypatch):
    """Two experiments whose trainings are the same, and a third with another model, all before their evaluation."""
    params, data, ids = make_params(), Path("data"), {}
    open_store(params.tracking.experiment)
    for name, content in (("first", b"a network"), ("second", b"a network"), ("third", b"another network")):
        monkeypatch.setenv("DVC_EXP_NAME", name)
        Path(f"{name}.keras").write_bytes(content)
        with start_run(params, data) as run:
            log_training(TRAINING, Path(f"{name}.keras"))
        ids[name] = run.info.run_id
    for name, run_id in ids.items():
        monkeypatch.setenv("DVC_EXP_NAME", name)
        with continue_run(Path(f"{name}.keras"), TRAINING, params, data, HISTORY) as run:
            complete_run()
        assert run.info.run_id == run_id


def test_a_run_that_fails_is_marked_as_failed(repository, make_params):
    params = make_params()
    open_store(params.tracking.experiment)
    with pytest.raises(RuntimeError), start_run(params, Path("data")) as run:
        raise RuntimeError
    assert MlflowClient().get_run(run.info.run_id).info.status == "FAILED"


def test_an_experiment_in_a_copy_writes_to_the_main_repository(repository, make_params, monkeypatch, tmp_path):
    monkeypatch.setenv("DVC_ROOT", str(repository))
    monkeypatch.setenv("DVC_EXP_NAME", "brave-film")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "abc")
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "data").symlink_to(repository / "data")
    monkeypatch.chdir(copy)
    open_store("pneumonia")
    with start_run(make_params(), Path("data")) as run:
        mlflow.log_text("here", "note.txt")
    found = MlflowClient().get_run(run.info.run_id)
    assert found.info.run_name == "cnn-phantom-binary brave-film"
    assert found.data.tags["dvc.experiment"] == "brave-film"
    assert list((repository / "mlruns").rglob("note.txt"))
    assert not (copy / "mlruns").exists()
    assert not (copy / "mlflow.db").exists()


@pytest.mark.slow
def test_workers_that_start_at_once_on_a_fresh_store_all_get_their_run(repository):
    (repository / "mlflow.db").unlink()
    code = (
        "import mlflow; from pneumonia.registry.store import open_store; open_store('pneumonia');"
        "run = mlflow.start_run(); mlflow.log_metric('a', 1); mlflow.end_run()"
    )
    with ThreadPoolExecutor(4) as pool:
        done = list(
            pool.map(lambda _: subprocess.run([sys.executable, "-c", code], env=os.environ, check=False), range(4))
        )
    assert [process.returncode for process in done] == [0] * 4
    client = open_store("pneumonia")
    assert len(client.search_runs([client.get_experiment_by_name("pneumonia").experiment_id])) == 4


@pytest.mark.parametrize("home", [None, "/proc/none"])
def test_a_store_opens_without_a_home_that_can_be_written(repository, monkeypatch, home):
    monkeypatch.delenv("HOME")
    if home:
        monkeypatch.setenv("HOME", home)
    code = "from pneumonia.registry.store import open_store; open_store('pneumonia')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (repository / "mlflow.db.lock").exists()
    assert not (repository / "~").exists()


def test_a_store_whose_folder_is_sealed_or_gone_is_one_line(repository, monkeypatch):
    sealed = Path("/sys")  # where root cannot write either
    if os.geteuid() != 0:
        sealed = repository / "sealed"
        sealed.mkdir(mode=0o500)
    for folder, told in ((sealed, "the store cannot be locked"), (repository / "gone", "there is no folder")):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        with pytest.raises(UserError, match=told) as error:
            open_store("pneumonia")
        assert "\n" not in str(error.value)
    assert not (repository / "gone").exists()


def test_a_killed_run_is_continued_and_the_epochs_that_it_lacks_are_logged(repository, make_params):
    params, data, client = make_params(), Path("data"), open_store("pneumonia")
    rows = [{"epoch": epoch, "loss": 1 / epoch, "val_loss": 2 / epoch} for epoch in (1, 2, 3, 4, 5)]
    with pytest.raises(RuntimeError), start_run(params, data) as run:
        log_epochs(run.info.run_id, [rows[0], rows[2]])  # the store was away in the second, fourth and fifth
        raise RuntimeError
    with resume_run(run.info.run_id, rows, params, data) as resumed:
        pass
    assert resumed.info.run_id == run.info.run_id
    history = client.get_metric_history(run.info.run_id, "epoch/val_loss")
    assert sorted((metric.step, metric.value) for metric in history) == [(n, 2 / n) for n in (1, 2, 3, 4, 5)]
    assert client.get_run(run.info.run_id).data.tags["pneumonia.resumed_after_epoch"] == "5"


@pytest.mark.parametrize(
    ("change", "same"),
    [({}, True), ({"train.epochs": 99}, False), ({"models.cnn.weights": "own.keras"}, False), ({"seed": 5}, False),
     ({"models.vgg19.dropout": 0.9}, True), ({"compute.workers": 2}, True)],
)  # fmt: skip
def test_what_is_trained_on_what_has_one_identity(repository, make_params, change, same):
    data = Path("data")
    (data / "train.csv").write_text("image\n0\n")
    first = identity(make_params(), data)
    assert (identity(make_params(change), data) == first) == same
    (data / "train.csv").write_text("image\n1\n")
    assert identity(make_params(), data) != first
