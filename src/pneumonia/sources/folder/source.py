"""A folder of your own films: `class/*` or `split/class/*`, with patients' folders below the class where known.

```
films/normal/p1/1.png          films/train/normal/1.dcm
films/pneumonia/p2/front.dcm   films/test/bacterial/2.dcm
```
A DICOM film in no patient's folder is of the patient whose number the file holds. A folder `images` is no patient.
"""

import sys
from collections import Counter
from pathlib import Path

from pneumonia.errors import UserError
from pneumonia.names import spell_paths
from pneumonia.params.blocks import PathText, SourceBlock
from pneumonia.params.paths import user_path
from pneumonia.params.stages import Compute
from pneumonia.radiographs.deidentification import patient_hash
from pneumonia.radiographs.film_files import IMAGES, SUFFIXES, Found, is_dicom_name
from pneumonia.sources.shared.copying import copy_films, find_all_films
from pneumonia.sources.shared.raw import Film, write_index


class Settings(SourceBlock):
    """The source's block in params.yaml."""

    path: PathText | None


SPLITS = {"train": "train", "val": "train", "valid": "train", "test": "test"}
CLASSES = {
    "normal": "normal",
    "pneumonia": "pneumonia",
    "bacterial": "bacterial",
    "bacteria": "bacterial",
    "viral": "viral",
    "virus": "viral",
}
"""What a class folder may be called, in upper or lower case, and the label that it means."""

PLACEHOLDER_SHARE, PLACEHOLDER_FILMS = 0.1, 20
"""A patient with more films than this share and this number is suspect: anonymisers write one PatientID into all."""

_LAYOUT = f"class/*.{{{','.join(suffix[1:] for suffix in SUFFIXES)}}} or split/class/*"


def fetch(settings: Settings, directory: Path, compute: Compute) -> None:
    """Copy the films below `settings.path` into `directory` (see `shared.raw`); a corrupt one is left to `clean`.

    Raises:
        UserError: no path, no such folder, no films in it, or another layout.
    """
    if settings.path is None:
        raise UserError(f"datasets.folder.path is null; it must name a folder with {_LAYOUT}")
    path = user_path(settings.path)
    if not path.is_dir():
        problem = "is not a folder" if path.exists() else "no such folder"
        raise UserError(f"{path}: {problem}; datasets.folder.path must name one with {_LAYOUT}")
    found = find_all_films(path)
    if not found.films:
        raise UserError("; ".join([f"{path}: holds no films", *found.told_with_missing(), f"it must hold {_LAYOUT}"]))
    films = {name: film_below(path, name, copy) for name, copy in spell_paths(found.films).items()}
    warnings = _warnings(list(films.values()), found)
    if len({film.official_split == "" for film in films.values()}) > 1:
        raise UserError(f"{path}: has class folders both inside and outside of train, val and test; use one form only")
    copy_films(path, {name: directory / film.file for name, film in films.items()})
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    source = {"name": "folder", "path": settings.path, "licence": "the owner's", "ignored": found.number_ignored}
    write_index(directory, list(films.values()), source | {"warnings": warnings})


def film_below(path: Path, name: str, copy: str) -> Film:
    """The row of `index.csv` for the film `name` below `path`, whose copy is called `copy`.

    Its patient is the folder right below its class, the same patient in every class and split. Without one, it is the
    patient that a DICOM file names, or else the film alone.
    """
    folders = [folder for folder in copy.split("/")[:-1] if folder.lower() != IMAGES]
    official_split = SPLITS[folders.pop(0).lower()] if folders and folders[0].lower() in SPLITS else ""
    if not folders:
        raise UserError(f"{path / name}: lies in no class folder; the layout must be {_LAYOUT}")
    class_folder, *patient_folders = folders
    if class_folder.lower() not in CLASSES:
        may_be = f"{', '.join(CLASSES)}, or a split {', '.join(SPLITS)} above one of them"
        raise UserError(f"{path}: class folder {class_folder!r} (of {copy}) is unknown; it may be {may_be}")
    return Film(
        file=f"images/{copy}",
        label=CLASSES[class_folder.lower()],
        patient=patient_folders[0] if patient_folders else _patient_in(path / name) or copy,
        official_split=official_split,
    )


def _patient_in(film: Path) -> str:
    return patient_hash(film) if is_dicom_name(film.name) else ""


def _warnings(films: list[Film], found: Found) -> list[str]:
    warnings = found.told_with_missing()
    alone = sum(film.file == f"images/{film.patient}" for film in films)
    if alone:
        nameless = f"{alone:,} of {len(films):,} films name no patient, by folder or in DICOM: each counts as its own"
        warnings.append(f"{nameless}, and films of one may be on both sides of a split")
    patient, most = Counter(film.patient for film in films).most_common(1)[0]
    if most > max(PLACEHOLDER_SHARE * len(films), PLACEHOLDER_FILMS):
        warnings.append(f"{most:,} of {len(films):,} films are of patient {patient!r}: is its number a placeholder?")
    sides = [{film.patient for film in films if film.official_split == split} for split in ("train", "test")]
    shared = sorted(sides[0] & sides[1])
    if shared:
        warnings.append(f"patients with films in both train and test: {len(shared):,} (the first is {shared[0]!r})")
    return warnings
