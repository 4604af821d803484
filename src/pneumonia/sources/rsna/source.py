"""RSNA Pneumonia Detection Challenge 2018: 26,684 DICOM films of children and adults, with boxes around opacities.

Shih et al., Augmenting the National Institutes of Health Chest Radiograph Dataset with Expert Annotations of Possible
Pneumonia, Radiology: Artificial Intelligence 1(1):e180041, 2019. The films are from Wang et al., ChestX-ray8, CVPR 2017
(NIH Clinical Center).

The challenge names no patients: `PatientID` in a film is its file's name. `nih_patients.csv` tells which films are of
one patient, by the NIH films that they were made from. The challenge's test films have no public labels.
"""

import math
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from pneumonia.errors import UserError
from pneumonia.names import printable
from pneumonia.params.blocks import PathText, SourceBlock
from pneumonia.params.paths import user_path
from pneumonia.params.stages import Compute
from pneumonia.radiographs.film_files import Found
from pneumonia.radiographs.radiograph import UnreadableRadiograph
from pneumonia.radiographs.read import read_elements
from pneumonia.sources.rsna.tables import BOXES, CLASSES, PATIENTS, Tables, read_tables
from pneumonia.sources.shared.archive import extract_members, list_members
from pneumonia.sources.shared.copying import copy_films, find_all_films
from pneumonia.sources.shared.fetching import provenance
from pneumonia.sources.shared.raw import BOX_COLUMNS, Box, Film, write_index
from pneumonia.workers import parallel_map

HAS_BOXES = True
LABELS_OPACITIES = True


class Settings(SourceBlock):
    """The source's block in params.yaml."""

    path: PathText | None


COMPETITION = "rsna-pneumonia-detection-challenge"
LICENCE = "the challenge's rules; attribution: RSNA, Shih et al. 2019, Wang et al. 2017 (NIH Clinical Center)"

PUBLISHED = {"films": 26_684, "films with boxes": 6_012, "boxes": 9_555}

_FILMS = "stage_2_train_images"
_TEST_FILMS = "stage_2_test_images"
_SUFFIXES = (".dcm", ".csv")


@dataclass(frozen=True)
class Challenge:
    """Where the challenge's files are in a folder or zip: their names in it."""

    path: Path
    films: dict[str, str]
    """The films' names, by patientId, which is also the stem of the name."""
    tables: dict[str, str]
    """The tables' names with their folders, by file name."""
    test_films: int
    ignored: list[str]
    """What else is there, in words."""


def fetch(settings: Settings, directory: Path, compute: Compute) -> None:
    """Fill `directory` with the films as they were published (see `shared.raw`).

    Partial copies are common, so a film without a label, or a label without a film, is left out with a warning.

    Raises:
        UserError: a path, an archive or a download that cannot be used, or tables that contradict themselves.
    """
    if settings.path is None:
        path, origin = _kaggle(), {"url": f"https://www.kaggle.com/competitions/{COMPETITION}"}
    else:
        path = user_path(settings.path)
        origin = {"path": settings.path} | (provenance(path) if path.is_file() else {})
    challenge = find_challenge(path)
    tables = _read_tables(challenge)
    names = {film: name for film, name in challenge.films.items() if film in tables.labels}
    if not names:
        raise UserError(f"{path}: none of its {len(challenge.films):,} films is in both {BOXES} and {CLASSES}")
    files = {film: f"images/{film}.dcm" for film in names}
    _copy(path, {names[film]: directory / file for film, file in files.items()})

    boxes = tables.boxes.assign(file=tables.boxes["patientId"].map(files)).dropna(subset="file")[BOX_COLUMNS]
    boxes, cut = cut_to_films(boxes, directory, compute)
    left_out = [*challenge.ignored, *_left_out(challenge, tables)]
    warnings = [*_differences(len(files), boxes), *left_out, *_ungrouped(list(files), tables), *cut]
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    films = [Film(file, tables.labels[film], tables.patients.get(film, film)) for film, file in files.items()]
    source = {"name": "rsna", **origin, "licence": LICENCE, "unlabelled_test_films": challenge.test_films}
    write_index(directory, films, source | {"warnings": warnings}, [Box(*box) for box in boxes.itertuples(index=False)])


def find_challenge(path: Path) -> Challenge:
    """The challenge's files in a folder or zip: at its root, or together in any folder below.

    Raises:
        UserError: no such path, one that cannot be read, or none or several of what it should hold.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file or folder; datasets.rsna.path may name a folder, a zip or be null")
    found = find_all_films(path, _SUFFIXES) if path.is_dir() else Found(list_members(path, _SUFFIXES))
    names = [PurePosixPath(name) for name in found.films]
    roots = [name.parent for name in names if name.name == BOXES] or [PurePosixPath()]
    if len(roots) > 1:
        raise UserError(f"{path}: holds {BOXES} more than once, in {' and '.join(map(str, roots))}; name one of these")
    root = roots[0]
    films = {name.stem: str(name) for name in names if name.parent == root / _FILMS and name.suffix.lower() == ".dcm"}
    tables = {name.name: str(name) for name in names if name.parent == root}
    missing = [name for name in (BOXES, CLASSES) if name not in tables] + ([] if films else [f"{_FILMS}/*.dcm"])
    if missing:
        whole = f"{_FILMS}/*.dcm, {BOXES} and {CLASSES} beside each other"
        raise UserError(f"{path}: holds no {' and no '.join(missing)}; it should hold {whole}")
    test_films = sum(name.parent == root / _TEST_FILMS for name in names)
    return Challenge(path, films, tables, test_films, found.told_with_missing())


def cut_to_films(boxes: pd.DataFrame, directory: Path, compute: Compute) -> tuple[pd.DataFrame, list[str]]:
    """`boxes`, with the columns of `boxes.csv`, cut to the films in `directory`, and a warning if that changed any.

    Raises:
        UserError: a box without any area in its film.
    """
    files = list(boxes["file"].unique())
    read_sizes = parallel_map(_film_size, [directory / file for file in files], compute, "reading sizes")
    sizes = dict(zip(files, read_sizes, strict=True))
    film_width, film_height = np.array([sizes[file] for file in boxes["file"]]).reshape(-1, 2).T
    left, top, right, bottom = boxes["x"], boxes["y"], boxes["x"] + boxes["width"], boxes["y"] + boxes["height"]
    outside = (left < 0) | (top < 0) | (right > film_width) | (bottom > film_height)
    left, top = left.clip(lower=0), top.clip(lower=0)
    width, height = np.minimum(right, film_width) - left, np.minimum(bottom, film_height) - top
    if (empty := ~((width > 0) & (height > 0))).any():
        first = ", ".join(f"{column} {value}" for column, value in boxes[empty].iloc[0].items())
        raise UserError(f"{BOXES}: {empty.sum():,} boxes have no area inside of their film (the first is {first})")
    if not outside.any():
        return boxes, []
    cut = boxes.where(~outside, boxes.assign(x=left, y=top, width=width, height=height))
    first = boxes.loc[outside, "file"].iloc[0]
    return cut, [f"cut {outside.sum():,} boxes that reached out of their film (the first is of {first})"]


def _film_size(path: Path) -> tuple[float, float]:
    """Width and height in pixels; infinite for a file that tells none, which is left to `clean` to reject."""
    try:
        elements = read_elements(path, ["Rows", "Columns"])
    except UnreadableRadiograph:
        return math.inf, math.inf
    try:
        return float(elements["Columns"]), float(elements["Rows"])
    except (KeyError, ValueError):
        return math.inf, math.inf


def _kaggle() -> Path:
    try:
        kagglehub = import_module("kagglehub")
    except ImportError as error:
        needs = "needs kagglehub: `pip install kagglehub`, or let datasets.rsna.path name a folder or zip on disk"
        raise UserError(f"{COMPETITION}: the download {needs}") from error
    try:
        return Path(kagglehub.competition_download(COMPETITION))
    except Exception as error:  # kagglehub's own, for a missing login or a broken transfer, or those of requests
        reason = str(error).partition("\n")[0]
        needs = f"a Kaggle login is needed, and the rules accepted at https://www.kaggle.com/c/{COMPETITION}/rules"
        raise UserError(f"{COMPETITION}: Kaggle's download failed ({reason}); {needs}") from error


def _copy(path: Path, destinations: dict[str, Path]) -> None:
    copy = copy_films if path.is_dir() else extract_members
    copy(path, destinations)


def _read_tables(challenge: Challenge) -> Tables:
    """The tables in the folder or zip; `nih_patients.csv`, which Kaggle's zip lacks, may also lie beside the zip."""
    with TemporaryDirectory() as scratch:
        files = {name: Path(scratch) / name for name in (BOXES, CLASSES, PATIENTS) if name in challenge.tables}
        _copy(challenge.path, {challenge.tables[name]: file for name, file in files.items()})
        beside = challenge.path.with_name(PATIENTS)
        if challenge.path.is_file() and beside.is_file():
            files.setdefault(PATIENTS, beside)
        return read_tables(files)


def _differences(films: int, boxes: pd.DataFrame) -> list[str]:
    """A warning if the counts differ from those published."""
    counts = {"films": films, "films with boxes": boxes["file"].nunique(), "boxes": len(boxes)}
    told = [f"{name} {counts[name]:,} of {number:,}" for name, number in PUBLISHED.items() if counts[name] != number]
    return [f"the films are not those published: {', '.join(told)}"] if told else []


def _left_out(challenge: Challenge, tables: Tables) -> list[str]:
    unlabelled = sorted(set(challenge.films) - set(tables.labels))
    filmless = sorted(set(tables.labels) - set(challenge.films))
    warnings = []
    if unlabelled:
        count = f"{len(unlabelled):,} films (the first is {printable(unlabelled[0])})"
        warnings.append(f"left out {count}: not in both {BOXES} and {CLASSES}")
    if filmless:
        warnings.append(f"left out {len(filmless):,} labels without a film (the first is {filmless[0]})")
    return warnings


def _ungrouped(films: list[str], tables: Tables) -> list[str]:
    alone = [film for film in films if film not in tables.patients]
    if not alone:
        return []
    why = f"{PATIENTS} lacks {len(alone):,} of {len(films):,} films" if tables.patients else f"there is no {PATIENTS}"
    return [f"{why}: grouping is by file there, and films of one patient may be on both sides of a split"]
