"""Where the files of a registered version lie, read from a registry in SQLite without MLflow.

MLflow's import alone takes longer than all else that `pneumonia predict` does, and there is no part of it that answers
without the rest. So these two tables are read by hand, for this one question, and only where the answer is certain. For
any other store, other tables, a name that is not there or files that are elsewhere there is no answer here: MLflow
has it, or says why there is none. Nothing is ever written.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from pneumonia.registry.address import database
from pneumonia.registry.places import local_path

# As MLflow names its only workspace, and marks what was deleted.
QUERY = """
    SELECT version, storage_location FROM model_versions
    WHERE workspace = 'default' AND status = 'READY' AND current_stage <> 'Deleted_Internal'
    AND name = :name AND version =
"""
NUMBER_OF_ALIAS = """
    (SELECT version FROM registered_model_aliases WHERE workspace = 'default' AND name = :name AND alias = :alias)
"""


def find_local_version(store: str, name: str, alias: str | None, version: str | None) -> tuple[Path, str] | None:
    """The folder of the version of the model `name` with this `alias`, or else this number, and its number."""
    file = database(store)
    if file is None:
        return None
    query = QUERY + (":version" if alias is None else NUMBER_OF_ALIAS)
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as connection:
            rows = connection.execute(query, {"name": name, "alias": alias, "version": version}).fetchall()
    except sqlite3.Error:
        return None
    if len(rows) != 1:
        return None
    [(number, location)] = rows
    folder = local_path(location) if isinstance(location, str) else None
    return (folder, str(number)) if folder is not None and folder.is_dir() else None
