"""Your own films: a folder `class/*` or `split/class/*`, or any folder with a table that tells of each film.

```
films/normal/p1/1.png          films/train/normal/1.dcm       films/1.png
films/pneumonia/p2/front.dcm   films/test/bacterial/2.dcm     films/films.csv
```
Without a table a film's patient is the folder below its class; a folder `images` is none. A DICOM film of which neither
tells a patient is of the one whose number the file holds.
"""

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pneumonia.errors import UserError
from pneumonia.names import spell_paths
from pneumonia.params.paths import user_path
from pneumonia.params.stages import Compute
from pneumonia.sources.folder.class_folders import LAYOUT, films_in_folders
from pneumonia.sources.folder.naming import naming
from pneumonia.sources.folder.settings import Settings
from pneumonia.sources.folder.table import find_tables
from pneumonia.sources.folder.table_films import films_in_tables
from pneumonia.sources.shared.copying import copy_films, find_all_films
from pneumonia.sources.shared.raw import Film, write_index

__all__ = ["Settings", "collect", "fetch", "settings_for"]

PLACEHOLDER_SHARE, PLACEHOLDER_FILMS = 0.1, 20
"""A patient with more films than this share and this number is suspect: anonymisers write one PatientID into all."""

_MAY_BE = f"{LAYOUT}, or films and a table"


@dataclass(frozen=True)
class Collection:
    """What the settings make of a folder."""

    path: Path
    films: Mapping[str, Film]
    """By their names below `path`."""
    warnings: list[str]
    ignored: int


def fetch(settings: Settings, directory: Path, compute: Compute) -> None:
    """Copy the films below `settings.path` into `directory` (see `shared.raw`); a corrupt one is left to `clean`.

    Raises:
        UserError: as `collect`.
    """
    found = collect(settings)
    copy_films(found.path, {name: directory / film.file for name, film in found.films.items()})
    for warning in found.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    source = {"name": "folder", "path": settings.path, "licence": "the owner's", "ignored": found.ignored}
    write_index(directory, list(found.films.values()), source | {"warnings": found.warnings})


def settings_for(place: Path, settings: Settings) -> Settings:
    """The `settings` for the films of another place: a folder, or a table beside films."""
    if place.is_file():
        return settings.model_copy(update={"path": str(place.resolve().parent), "table": place.name})
    return settings.model_copy(update={"path": str(place.resolve())})


def collect(settings: Settings) -> Collection:
    """The films below `settings.path`, each with its label, its patient and what else is known. No film is opened,
    but that a DICOM one is asked for its patient where nothing else tells him.

    Raises:
        UserError: no path, no such folder, no films in it, another layout, or mistakes in the table.
    """
    if settings.path is None:
        raise UserError(f"datasets.folder.path is null; it must name a folder with {_MAY_BE}")
    path = user_path(settings.path)
    if not path.is_dir():
        problem = "is not a folder" if path.exists() else "no such folder"
        raise UserError(f"{path}: {problem}; datasets.folder.path must name one with {_MAY_BE}")
    found = find_all_films(path)
    if not found.films:
        raise UserError("; ".join([f"{path}: holds no films", *found.told_with_missing(), f"it must hold {_MAY_BE}"]))
    copies, names, tables = (
        spell_paths(found.films),
        naming(settings.labels, settings.positive),
        find_tables(path, settings),
    )
    if not tables and (settings.columns or settings.only):
        raise UserError(f"{path}: has no table; datasets.folder.columns and only are for one")
    told = (
        films_in_tables(tables, path, copies, names, settings)
        if tables
        else films_in_folders(path, copies, names, settings)
    )
    films = {name: film for name, film in told.items() if film}
    if not films:
        raise UserError(f"{path}: each of its {len(found.films):,} films is left out by datasets.folder.labels")
    return Collection(path, films, found.told_with_missing() + _warnings(told, films, copies), found.number_ignored)


def _warnings(told: Mapping[str, Film | None], kept: Mapping[str, Film], copies: Mapping[str, str]) -> list[str]:
    films, warnings = list(kept.values()), []
    for what, names in (
        ("for their label", [name for name, film in told.items() if not film]),
        ("that no table tells of", [name for name in copies if name not in told]),
    ):
        if names:
            warnings.append(f"left out {len(names):,} films {what} (the first is {copies[names[0]]})")
    alone = sum(film.file == f"images/{film.patient}" for film in films)
    if alone:
        nameless = f"{alone:,} of {len(films):,} films name no patient: each counts as its own"
        warnings.append(f"{nameless}, and films of one may be on both sides of a split")
    patient, most = Counter(film.patient for film in films).most_common(1)[0]
    if most > max(PLACEHOLDER_SHARE * len(films), PLACEHOLDER_FILMS):
        warnings.append(f"{most:,} of {len(films):,} films are of patient {patient!r}: is its number a placeholder?")
    places: dict[str, set[str]] = {}
    for film in films:
        places.setdefault(film.patient, set()).add(film.facts.get("site", ""))
    if number := sum(len(sites) > 1 for sites in places.values()):
        warnings.append(
            f"{number:,} patients have films of several sites, each counts as one person: where each site has its own "
            "numbers, give each a table of its own (dataset=several)"
        )
    sides = [{film.patient for film in films if film.official_split == split} for split in ("train", "test")]
    shared = sorted(sides[0] & sides[1])
    if shared:
        warnings.append(f"patients with films in both train and test: {len(shared):,} (the first is {shared[0]!r})")
    return warnings
