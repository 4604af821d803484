"""A real MLflow server goes away while the real stages run."""

import subprocess
import time
from collections.abc import Iterator
from hashlib import sha256

import pandas as pd
import pytest
from mlflow import MlflowClient

from .conftest import write_params
from .mlflow_server import Server
from .small_repository import ENVIRONMENT, SMALL, Repository

pytestmark = pytest.mark.slow

EPOCHS = 8
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
"""So that MLflow itself gives up after some seconds, and not after minutes."""


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Repository:
    project = Repository(tmp_path_factory.mktemp("project"))
    write_params(project.root / "params.yaml", SMALL | {"train.epochs": EPOCHS, "train.patience": EPOCHS})
    project.run("dvc", "repro", "rebalance")
    return project


@pytest.fixture
def server(tmp_path) -> Iterator[Server]:
    running = Server(tmp_path / "server")
    yield running
    running.kill()


def started(repository: Repository, server: Server, *command: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, cwd=repository.root, env=ENVIRONMENT | {"MLFLOW_TRACKING_URI": server.address} | environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def wait_for(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout
    assert any(each.startswith(line) for each in process.stdout)


def runs(server: Server) -> list:
    client = MlflowClient(server.address)
    return client.search_runs([client.get_experiment_by_name("pneumonia").experiment_id])


def logged_epochs(server: Server, run_id: str) -> list[int]:
    return [metric.step for metric in MlflowClient(server.address).get_metric_history(run_id, "epoch/val_loss")]


def test_training_goes_on_without_the_server_and_its_epochs_are_logged_when_it_is_back(repository, server):
    with started(repository, server, "dvc", "repro", "--force", "--single-item", "train") as process:
        wait_for(process, "Epoch 2/")
        server.kill()
        wait_for(process, f"Epoch {EPOCHS}/")  # none of them waits for it
        server.start()
        output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    [run] = runs(server)
    assert run.info.status == "FINISHED"
    assert logged_epochs(server, run.info.run_id) == list(range(1, EPOCHS + 1))
    model = (repository.root / "models" / "model.keras").read_bytes()
    assert run.data.tags["pneumonia.model_sha256"] == sha256(model).hexdigest()


def test_a_server_that_is_gone_for_good_costs_no_model_and_the_next_repro_logs_the_rest(repository, server):
    root = repository.root
    changes = SMALL | {"train.epochs": EPOCHS, "train.patience": EPOCHS, "train.label_smoothing": 0.1}
    write_params(root / "params.yaml", changes)  # a training that DVC does not know yet
    with started(repository, server, "dvc", "repro", "--single-item", "train", **PATIENCE) as process:
        wait_for(process, "Epoch 2/")
        server.kill()
        begun = time.monotonic()
        output = process.communicate(timeout=300)[0]
    assert process.returncode != 0
    assert time.monotonic() - begun < 100  # one epoch alone took four minutes once
    assert "Traceback" not in output
    told = f"error: MLflow store {server.address} cannot be used: [Errno 111] Connection refused; what is done is kept"
    assert output.count(told) == 1, output
    history, model = pd.read_csv(root / "reports" / "history.csv"), (root / "models" / "model.keras").read_bytes()
    assert len(history) == EPOCHS
    server.start()
    again = repository.run("dvc", "repro", "--single-item", "train", MLFLOW_TRACKING_URI=server.address)
    assert "Epoch" not in again
    assert (root / "models" / "model.keras").read_bytes() == model
    pd.testing.assert_frame_equal(pd.read_csv(root / "reports" / "history.csv"), history, check_exact=True)
    [run] = runs(server)
    assert run.info.status == "FINISHED"
    assert sorted(logged_epochs(server, run.info.run_id)) == list(range(1, EPOCHS + 1))
    assert not (root / "models" / ".checkpoint.npz").exists()


def test_an_evaluation_that_loses_the_server_is_told_and_the_next_repro_completes_its_run(repository, server):
    repository.run("dvc", "repro", "--force", "--single-item", "train", MLFLOW_TRACKING_URI=server.address)
    partial = repository.root / "reports" / ".partial-together"
    with started(repository, server, "dvc", "repro", "--single-item", "evaluate", **PATIENCE) as process:
        deadline = time.monotonic() + 120
        while not partial.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        server.kill()  # it was there when the stage began
        output = process.communicate(timeout=300)[0]
    assert process.returncode != 0
    assert "Traceback" not in output
    assert output.count(f"error: MLflow store {server.address} cannot be used: [Errno 111] Connection refused") == 1
    assert not partial.exists()
    server.start()
    repository.run("dvc", "repro", "--single-item", "evaluate", MLFLOW_TRACKING_URI=server.address)
    [run] = runs(server)
    assert run.data.tags["pneumonia.evaluated"] == "true"
    versions = MlflowClient(server.address).search_model_versions("name='pneumonia-binary'")
    assert [version.run_id for version in versions if "decision" in version.tags] == [run.info.run_id]
