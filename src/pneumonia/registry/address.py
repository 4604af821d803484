"""Where the MLflow store is: one for every run of the repository, however it was started. Without MLflow's seconds."""

import os
from pathlib import Path

from pneumonia.errors import UserError
from pneumonia.params.paths import user_path

ANEW = (
    "`pneumonia install-model` installs one, `dvc repro` registers one, and "
    "`dvc repro --force --single-item evaluate` where it has nothing to do"
)
"""How a model comes into a registry: `dvc repro` has nothing to do where `dvc pull` brought its outputs."""

SQLITE = "sqlite:///"


def repository() -> Path:
    """The main repository, also for a stage that runs in a `dvc exp` copy of it."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def store_address() -> str:
    """The address of the MLflow store: `MLFLOW_TRACKING_URI`, or else `mlflow.db` of the main repository.

    A relative file of SQLite is the main repository's: in the copy of an experiment it would go with the copy.

    Raises:
        UserError: a folder whose name no address can hold.
    """
    address = os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}mlflow.db"
    file = database(address)
    if file is None:
        return address
    place = user_path(str(file)).resolve()
    if found := set(str(place)) & set("?#%"):  # an address ends at these, and would name a file elsewhere
        raise UserError(f"{place}: no MLflow store can be under a name with {found.pop()!r}; the folder may be renamed")
    return f"{SQLITE}{place}"


def existing_store() -> str:
    """The `store_address`.

    Raises:
        UserError: there is no such database. (MLflow would make it, and find it empty.)
    """
    store = store_address()
    file = database(store)
    if file is not None and not file.is_file():
        raise UserError(f"no registry at {store}; in the repository's main folder {ANEW}")
    return store


def database(store: str) -> Path | None:
    """The file of a store in SQLite; None for a server, or another kind of database."""
    return Path(store.removeprefix(SQLITE)) if store.startswith(SQLITE) else None
