"""Registered models and their versions, found by name in a registry of any size: MLflow gives lists page by page."""

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList

from pneumonia.errors import UserError, few
from pneumonia.registry.address import ANEW
from pneumonia.registry.outage import briefly, reason_of

Entity = TypeVar("Entity")

UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""The codes with which MLflow says that there is no such name; the second where there cannot be one."""


def every(search: Callable[..., PagedList[Entity]]) -> Iterator[Entity]:
    """What `search` finds, on all of its pages; it takes a `page_token`."""
    token = None
    while True:
        page = search(page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def find_model(client: MlflowClient, store: str, name: str) -> RegisteredModel:
    """The registered model `name` in the registry at `store`, with its aliases.

    Raises:
        UserError: there is none (then the names most like it are told), or the registry cannot be read.
    """
    try:
        with briefly():
            return client.get_registered_model(name)
    # A store can be wrong in as many ways as there are databases, drivers and networks.
    except Exception as error:
        if not _is_unknown(error):
            raise UserError(f"{store} is no registry that can be read: {reason_of(error)}") from error
    names = [model.name for model in every(client.search_registered_models)]
    if not names:
        raise UserError(f"the registry at {store} is empty; {ANEW}")
    nearest = get_close_matches(name, names, n=len(names), cutoff=0)
    raise UserError(f"no model {name!r} in the registry at {store}; it has {few(nearest)}")


def find_version(client: MlflowClient, name: str, version: str) -> ModelVersion:
    """A version of the registered model `name`.

    Raises:
        UserError: there is none; then the latest are told.
    """
    if re.fullmatch("[0-9]{1,9}", version):  # a database that is asked for a longer number fails
        try:
            return client.get_model_version(name, version)
        except MlflowException as error:
            if not _is_unknown(error):
                raise
    quote = '"' if "'" in name else "'"
    found = every(lambda page_token: client.search_model_versions(f"name={quote}{name}{quote}", page_token=page_token))
    latest = sorted((int(each.version) for each in found), reverse=True)
    raise UserError(f"{name} has no version {version[:20]!r}; it has {few(list(map(str, latest)))}")


def _is_unknown(error: Exception) -> bool:
    return isinstance(error, MlflowException) and error.error_code in UNKNOWN
