"""The MLflow store: one for every run of the repository, however it was started."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pneumonia.errors import UserError


def repository() -> Path:
    """The main repository, also for a stage that runs in a `dvc exp` copy of it."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


@contextmanager
def store_lock() -> Iterator[None]:
    """Let in one process of this user and machine at a time, for each store: to create the database, and to decide
    which version is the champion.
    """
    store = hashlib.sha256(mlflow.get_tracking_uri().encode()).hexdigest()[:16]
    lock = Path.home() / ".cache" / "pneumonia" / f"{store}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        yield


def open_store(experiment: str) -> MlflowClient:
    """Connect to `MLFLOW_TRACKING_URI`, or else to `mlflow.db` in the main repository, and select the experiment.

    Raises:
        UserError: the store cannot be used.
    """
    root = repository()
    given = os.environ.get("MLFLOW_TRACKING_URI", "")
    mlflow.set_tracking_uri(given or f"sqlite:///{root / 'mlflow.db'}")
    # Several processes that migrate a fresh database at once break it, so the first one does it alone.
    with store_lock():
        try:
            client = MlflowClient()
            if client.get_experiment_by_name(experiment) is None:
                # Stored once and for all: a relative place would be looked for in each experiment's copy.
                location = None if given.startswith("http") else (root / "mlruns").as_uri()
                _create_experiment(client, experiment, location)
            mlflow.set_experiment(experiment)
        # A store's address can be wrong in as many ways as there are databases, drivers and networks.
        except Exception as error:
            reason = str(error).strip().partition("\n")[0]
            raise UserError(f"MLflow store {mlflow.get_tracking_uri()} cannot be used: {reason}") from error
    return client


def _create_experiment(client: MlflowClient, experiment: str, location: str | None) -> None:
    try:
        client.create_experiment(experiment, artifact_location=location)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":  # by another machine, in the meantime
            raise
