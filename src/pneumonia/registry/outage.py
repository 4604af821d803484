"""A store that goes away, as its server ends or hangs, or its disk is full: what is done is kept, one line tells it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES, MLFLOW_HTTP_REQUEST_TIMEOUT
from mlflow.exceptions import MlflowException

from pneumonia.errors import UserError, why_full

BRIEFLY = {MLFLOW_HTTP_REQUEST_MAX_RETRIES.name: "1", MLFLOW_HTTP_REQUEST_TIMEOUT.name: "6"}
"""Tries after the first, and seconds each: 12 s for a server that hangs, where MLflow's own settings take minutes."""

REPEAT = "what is done is kept, and `dvc repro` goes on from there once the store can be used"
"""What a user does when a stage lost its store."""


@contextmanager
def briefly() -> Iterator[None]:
    """In the block a server that does not answer is given up soon, as `BRIEFLY` says, in all threads."""
    before = {name: os.environ.get(name) for name in BRIEFLY}
    os.environ.update(BRIEFLY)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def store_losses_told(remedy: str = "it may be started again") -> Iterator[None]:
    """Turn what MLflow raises of a store that is lost on the way into one line, which ends in the `remedy`.

    Raises:
        UserError: the store does not answer, or cannot be written.
    """
    try:
        yield
    except MlflowException as error:
        if error.error_code == "INVALID_PARAMETER_VALUE":  # a mistake in this program
            raise
        store = mlflow.get_tracking_uri()
        raise UserError(f"MLflow store {store} cannot be used: {reason_of(error)}; {remedy}") from error


def reason_of(error: BaseException) -> str:
    """Why a store cannot be used, in one line: MLflow wraps `Connection refused` in some hundred characters."""
    if reason := why_full(error):
        return reason
    if str(error).startswith("API request"):
        while (cause := error.__cause__ or error.__context__) is not None:
            error = cause
    return str(error).strip().partition("\n")[0]
