"""Labelled films as they lie about, as the source `folder` reads them: class folders, or a table beside films."""

from pathlib import Path

import pandas as pd

from pneumonia.errors import UserError
from pneumonia.sources.folder.settings import Settings
from pneumonia.sources.folder.source import collect, settings_for

COLUMNS = ["path", "file", "label", "patient", "is_named"]
"""What a row says of a film: where it is, what it is called, its label, its patient, and whether that is a name: a film
that names no patient counts as one of its own. What else a table tells, such as site, view, sex and age, follows."""


def labelled_films(place: Path, settings: Settings) -> pd.DataFrame:
    """The films in `place`, a folder or a table, a row each with `COLUMNS`, by `file`.

    Raises:
        UserError: no such place, no films in it, another layout, or mistakes in a table, all of them at once.
    """
    if not place.exists():
        raise UserError(f"{place}: is not there; it may be a folder of class folders, or a table of films in CSV")
    found = collect(settings_for(place, settings))
    rows = []
    for name, film in found.films.items():
        file = film.file.removeprefix("images/")
        told = {"path": found.path / name, "file": file, "label": film.label, "patient": film.patient}
        rows.append(told | {"is_named": film.patient != file} | dict(film.facts))
    return pd.DataFrame(rows).fillna("").sort_values("file", ignore_index=True)
