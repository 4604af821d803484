"""Where artifacts lie. An MLflow database holds absolute paths, so one that was moved or copied names its old place."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pneumonia.errors import UserError
from pneumonia.registry.address import database, existing_store, repository

LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""The tables and columns of MLflow's database in which there are places."""


def refuse_foreign(location: str, store: str) -> None:
    """Make sure that artifacts which are written to `location` end in this repository.

    Raises:
        UserError: the database of this repository names the `mlruns` of another folder; or any database one whose
            folder is gone.
    """
    folder = _project_of(location)
    if folder is not None and _is_foreign(folder, store):
        here = repository()
        state = "another project" if folder.is_dir() else "not there"
        raise UserError(
            f"{database(store)}: its artifacts lie in {folder / 'mlruns'}, which is {state}; if this project was moved "
            f"or copied from there, `pneumonia relocate` enters {here / 'mlruns'} instead"
        )


def refuse_absent(location: str, store: str) -> None:
    """Make sure that artifacts which are read from `location` can be there.

    Raises:
        UserError: it is a folder, and is not there.
    """
    place = local_path(location)
    if place is not None and not place.exists():
        refuse_foreign(location, store)
        raise UserError(f"{place}: is not there, but {store} names it; it may be brought back from a copy")


def relocate() -> str:
    """Have the database name this repository's `mlruns` where it names another folder's; return what changed.

    A project that was copied gets its own places, and the original keeps its own. All is changed, or nothing.

    Raises:
        UserError: no database in a file, one that cannot be changed, or artifacts that were left in the other folder.
    """
    store = existing_store()
    file = database(store)
    if file is None:
        raise UserError(f"{store} is no file, so no move of this folder moved it; MLFLOW_TRACKING_URI may be unset")
    try:
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            foreign = list(_foreign_rows(connection, store))
            for row in foreign:
                _relocate_row(connection, *row)
    except sqlite3.Error as error:
        raise UserError(f"{file}: cannot be changed ({error})") from error
    return f"{file}: {len(foreign)} places changed to {repository() / 'mlruns'}"


def _foreign_rows(connection: sqlite3.Connection, store: str) -> Iterator[tuple[str, str, int, str]]:
    """Table, column, number and location of each row that names another folder."""
    for table, column in LOCATIONS:
        rows = connection.execute(f"SELECT rowid, {column} FROM {table} WHERE {column} IS NOT NULL").fetchall()
        for number, location in rows:
            folder = _project_of(location)
            if folder is not None and _is_foreign(folder, store):
                yield table, column, number, location


def _relocate_row(connection: sqlite3.Connection, table: str, column: str, number: int, location: str) -> None:
    before, folder = local_path(location), _project_of(location)
    assert before is not None and folder is not None
    after = repository() / before.relative_to(folder)
    if before.exists() and not after.exists():
        raise UserError(f"{after} is not there, but {before} is; copy {folder / 'mlruns'} into this folder first")
    text = after.as_uri() if location.startswith("file:") else str(after)
    connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (text, number))


def _is_foreign(folder: Path, store: str) -> bool:
    """Whether `folder`, which holds an `mlruns`, is not the one that this store should name.

    The database in a repository belongs to its `mlruns` alone. One elsewhere may serve several projects.
    """
    file = database(store)
    if file is None or folder.resolve() == repository():
        return False
    return file.parent == repository() or not folder.is_dir()


def _project_of(location: str) -> Path | None:
    """The folder that holds the `mlruns` in which a local `location` is."""
    place = local_path(location)
    if place is None:
        return None
    return next((each.parent for each in (place, *place.parents) if each.name == "mlruns"), None)


def local_path(location: str) -> Path | None:
    """The path of a `location` in the file system; None for a server's, a bucket's, or another model's."""
    address = urlsplit(location)
    if address.scheme == "file":
        return Path(unquote(address.path))
    return Path(location) if location.startswith("/") else None
