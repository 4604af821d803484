"""What the folders of a film tell: `class/*` or `split/class/*`, with patients' folders below the class where known."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pneumonia.errors import UserError
from pneumonia.radiographs.film_files import IMAGES, SUFFIXES
from pneumonia.sources.folder.naming import SPLITS, Naming, UnknownName
from pneumonia.sources.folder.patients import patient_of
from pneumonia.sources.folder.settings import Settings
from pneumonia.sources.shared.raw import Film

LAYOUT = f"class/*.{{{','.join(suffix[1:] for suffix in SUFFIXES)}}} or split/class/*"


@dataclass(frozen=True)
class Place:
    """What the folders of a film are."""

    split: str
    class_folder: str
    patient: str
    """The folder right below the class, the same patient in every class and split; empty without one."""


def films_in_folders(
    path: Path, copies: Mapping[str, str], naming: Naming, settings: Settings
) -> dict[str, Film | None]:
    """The row of `index.csv` for each film below `path`, None for one that is left out; `copies` are their new names.

    Raises:
        UserError: a film in no class folder, or in one without a meaning; class folders inside and outside of splits.
    """
    films: dict[str, Film | None] = {}
    for name, copy in copies.items():
        place = place_of(path / name, copy)
        label = label_of(path, copy, place, naming)
        film = Film(
            file=f"images/{copy}",
            label=str(label),
            patient=patient_of(path, name, copy, settings.patient_pattern, place.patient),
            official_split=SPLITS.get(place.split.lower(), ""),
        )
        films[name] = film if label else None
    if len({film.official_split == "" for film in films.values() if film}) > 1:
        raise UserError(f"{path}: has class folders both inside and outside of train, val and test; use one form only")
    return films


def place_of(film: Path, copy: str) -> Place:
    """The folders of a `film`, from what its copy is called.

    Raises:
        UserError: it lies in no class folder.
    """
    folders = [folder for folder in copy.split("/")[:-1] if folder.lower() != IMAGES]
    split = folders.pop(0) if folders and folders[0].lower() in SPLITS else ""
    if not folders:
        raise UserError(f"{film}: lies in no class folder; the layout must be {LAYOUT}, or a table tells the labels")
    class_folder, *below = folders
    return Place(split, class_folder, below[0] if below else "")


def label_of(path: Path, copy: str, place: Place, naming: Naming) -> str | None:
    """The label that a class folder means, None for films to be left out.

    Raises:
        UserError: it has no meaning.
    """
    try:
        return naming.label(place.class_folder)
    except UnknownName:
        may_be = f"{naming.told()}, or what datasets.folder.labels or positive tell, or a split {', '.join(SPLITS)}"
        unknown = f"class folder {place.class_folder!r} (of {copy}) is unknown"
        tables = [f"; or datasets.folder.table may be {table.name}" for table in sorted(path.glob("*.csv"))[:1]]
        raise UserError(f"{path}: {unknown}; it may be {may_be} above one of them{''.join(tables)}") from None
