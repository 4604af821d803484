"""The MLflow store, opened: its database made, its experiment selected."""

import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir

import mlflow
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pneumonia.errors import UserError
from pneumonia.registry.address import database, repository, store_address
from pneumonia.registry.ghosts import mark_killed_runs
from pneumonia.registry.outage import briefly, reason_of
from pneumonia.registry.places import refuse_foreign


@contextmanager
def store_lock() -> Iterator[None]:
    """Let in one process of this user and machine at a time, for each store: to create the database, and to decide
    which version is the champion.

    The lock lies beside a database's file, or else in the folder for temporary files: there may be no home.

    Raises:
        UserError: its file cannot be written, or the database's folder is not there.
    """
    store = mlflow.get_tracking_uri()
    file = database(store)
    if file is not None and not file.parent.is_dir():  # which the lock would make
        raise UserError(f"MLflow store {store} cannot be used: there is no folder {file.parent}")
    name = f"pneumonia-{os.getuid()}-{hashlib.sha256(store.encode()).hexdigest()[:16]}.lock"
    lock = FileLock(Path(gettempdir(), name) if file is None else file.with_name(f"{file.name}.lock"))
    try:
        lock.acquire()
    except (OSError, NotImplementedError) as error:
        raise UserError(f"{lock.lock_file}: the store cannot be locked ({error})") from error
    try:
        yield
    finally:
        lock.release()


def open_store(experiment: str) -> MlflowClient:
    """Connect to `MLFLOW_TRACKING_URI`, or else to `mlflow.db` in the main repository, and select the experiment.

    Runs in it whose process was killed are marked as such.

    Raises:
        UserError: the store cannot be used, or its artifacts belong to another folder (see `places`).
    """
    store = store_address()
    mlflow.set_tracking_uri(store)
    # It prints a traceback before it raises what is told in one line.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    # Several processes that migrate a fresh database at once break it, so the first one does it alone.
    with store_lock(), briefly():
        try:
            client = MlflowClient()
            known = client.get_experiment_by_name(experiment)
            if known is not None:
                refuse_foreign(known.artifact_location, store)
            else:
                # Stored once and for all: a relative place would be looked for in each experiment's copy.
                location = None if store.startswith("http") else (repository() / "mlruns").as_uri()
                _create_experiment(client, experiment, location)
            experiment_id = mlflow.set_experiment(experiment).experiment_id
            with suppress(MlflowException):  # no run of today is refused for the marks of old ones
                mark_killed_runs(client, experiment_id)
        except UserError:
            raise
        # A store's address can be wrong in as many ways as there are databases, drivers and networks.
        except Exception as error:
            raise UserError(f"MLflow store {mlflow.get_tracking_uri()} cannot be used: {reason_of(error)}") from error
    return client


def _create_experiment(client: MlflowClient, experiment: str, location: str | None) -> None:
    try:
        client.create_experiment(experiment, artifact_location=location)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":  # by another machine, in the meantime
            raise
