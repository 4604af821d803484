"""Kermany: 5,856 chest radiographs of children of one to five years from Guangzhou, normal, bacterial or viral.

Kermany, Zhang, Goldbaum: Labeled Optical Coherence Tomography (OCT) and Chest X-Ray Images for Classification, Mendeley
Data v2, 2018, doi:10.17632/rscbjbr9sj.2, CC BY 4.0; described in Kermany et al., Identifying Medical Diagnoses and
Treatable Diseases by Image-Based Deep Learning, Cell 172(5), 2018.

Only the films' names tell the patients, and each series of names counts on its own: `person12_bacteria_46` and
`person12_virus_…` are different patients, `IM-0115-0001` and `NORMAL2-IM-0115-0001` too. So the patient is (series,
number). The names of all 5,232 training and 326 of the 624 test films give 3,893 patients, none of them in both train
and test; the whole has 4,097. Keyed by the bare number, 143 seem to be on both sides (264 in the whole), which is a
collision: bacterial test films are numbered 81 to 174, and viral films in train have 40 of their 45 numbers.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pneumonia.errors import UserError
from pneumonia.names import spell_paths
from pneumonia.params.blocks import PathText, SourceBlock
from pneumonia.params.paths import user_cache, user_path
from pneumonia.params.stages import Compute
from pneumonia.radiographs.film_files import Found
from pneumonia.sources.shared.archive import extract_members, list_members
from pneumonia.sources.shared.copying import copy_films, find_all_films
from pneumonia.sources.shared.fetching import Download, fetch_file, provenance
from pneumonia.sources.shared.raw import Film, write_index

MENDELEY = Download(
    url="https://data.mendeley.com/public-files/datasets/rscbjbr9sj/files/f12eaf6d-6023-432f-acc9-80c9d7393433/file_downloaded",
    file="ChestXRay2017.zip",
    hash="sha256:13efc055629733dbab07877f8b3c9f81097840dbcdaa326a8542322c2281ce36",
    bytes=1_235_512_464,
)
KAGGLE = "paultimothymooney/chest-xray-pneumonia/versions/2"

PUBLISHED = {
    ("train", "normal"): 1349,
    ("train", "pneumonia"): 3883,
    ("test", "normal"): 234,
    ("test", "pneumonia"): 390,
}
"""Films by split and class; train includes the 16 that the Kaggle copy moved to `val`."""

_SUFFIXES = (".jpeg", ".jpg")
_SPLITS = {"train": "train", "val": "train", "test": "test"}
_CLASSES = {"NORMAL", "PNEUMONIA"}
_LAYOUT = "train|val|test/NORMAL|PNEUMONIA/*.jpeg"
# The third form is that of version 3 on Mendeley Data, under CellData/: the same films by another name.
_NAMES = (
    re.compile(r"person(?P<number>\d+)_(?P<series>bacteria|virus)_"),
    re.compile(r"(?P<series>(?:NORMAL2-)?IM)-(?P<number>\d+)-"),
    re.compile(r"(?P<series>NORMAL|BACTERIA|VIRUS)-(?P<number>\d+)-"),
)


class Settings(SourceBlock):
    """The source's block in params.yaml."""

    path: PathText | None
    origin: Literal["mendeley", "kaggle"]


def fetch(settings: Settings, directory: Path, compute: Compute) -> None:
    """Fill `directory` with the films as they were published (see `shared.raw`).

    Raises:
        UserError: a path, an archive or a download that cannot be used.
    """
    if settings.path is not None:
        path = user_path(settings.path)
        _fill(directory, path, {"path": settings.path} | (provenance(path) if path.is_file() else {}))
    elif settings.origin == "kaggle":
        _fill(directory, _kaggle(), {"url": f"https://www.kaggle.com/datasets/{KAGGLE}"})
    else:
        fetch_mendeley(directory, user_cache())


def fetch_mendeley(directory: Path, cache: Path, download: Download = MENDELEY) -> None:
    """Fill `directory` from the zip at Mendeley Data, which stays in `cache`."""
    try:
        archive = fetch_file(download, cache)
    except UserError as error:
        raise UserError(f"{error}; datasets.kermany.path may name a folder or zip already on disk") from error
    _fill(directory, archive, {"url": download.url} | provenance(archive))


def film_of(name: str) -> Film:
    """The row of `index.csv` for a film at `…/split/CLASS/file`; its file is `images/split/CLASS/file`.

    A film with a name of no published form is its own patient and, in PNEUMONIA, neither bacterial nor viral.
    """
    split, class_name, file = PurePosixPath(name).parts[-3:]
    match = next((match for pattern in _NAMES if (match := pattern.match(file))), None)
    series, number = (match["series"], match["number"]) if match else ("", file)
    subtypes = {"bacteria": "bacterial", "virus": "viral"}
    label = "normal" if class_name == "NORMAL" else subtypes.get(series.lower(), "pneumonia")
    patient = f"{series}-{number}" if match else f"{split}/{class_name}/{file}"
    return Film(f"images/{split}/{class_name}/{file}", label, patient, _SPLITS[split])


def _kaggle() -> Path:
    try:
        kagglehub = import_module("kagglehub")
    except ImportError as error:
        needs = "needs kagglehub: `pip install kagglehub`, or set it to 'mendeley'"
        raise UserError(f"datasets.kermany.origin is 'kaggle', which {needs}") from error
    try:
        return Path(kagglehub.dataset_download(KAGGLE))
    except Exception as error:  # kagglehub's own, for a missing login or a broken transfer, or those of requests
        reason = str(error).partition("\n")[0]
        raise UserError(f"{KAGGLE}: Kaggle's download failed ({reason}); run it again, or use 'mendeley'") from error


def _fill(directory: Path, path: Path, origin: dict[str, Any]) -> None:
    if not path.exists():
        raise UserError(f"{path}: no such file or folder; datasets.kermany.path may name a folder, a zip or be null")
    found = find_all_films(path, _SUFFIXES) if path.is_dir() else Found(list_members(path, _SUFFIXES))
    films = {name: film_of(copy) for name, copy in spell_paths(_published_tree(path, found.films)).items()}
    copy = copy_films if path.is_dir() else extract_members
    copy(path, {name: directory / film.file for name, film in films.items()})
    warnings = found.told_with_missing() + _warnings(films.values())
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    source = {"name": "kermany", **origin, "licence": "CC BY 4.0", "warnings": warnings}
    write_index(directory, list(films.values()), source)


def _published_tree(path: Path, names: list[str]) -> list[str]:
    """Those of `names` that lie in the outermost tree of the published layout.

    Kaggle's archive holds the whole tree once more one level down.
    """
    trees: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        folders = PurePosixPath(name).parts[:-1]
        if len(folders) > 1 and folders[-2] in _SPLITS and folders[-1] in _CLASSES:
            trees.setdefault(folders[:-2], []).append(name)
    if not trees:
        found = ", ".join(names[:3]) + (", …" if len(names) > 3 else "") if names else "no JPEG at all"
        raise UserError(f"{path}: holds {found}; it should hold {_LAYOUT}, or a folder chest_xray of these")
    outermost = min(map(len, trees))
    roots = [root for root in trees if len(root) == outermost]
    if len(roots) > 1:
        below = " and ".join("/".join(root) for root in roots)
        raise UserError(f"{path}: holds films in more than one tree, below {below}; name one of these")
    return trees[roots[0]]


def _warnings(films: Iterable[Film]) -> list[str]:
    films = list(films)
    counts = Counter((film.official_split, "normal" if film.label == "normal" else "pneumonia") for film in films)
    differences = [
        f"{split} {label} {counts[split, label]:,} of {published:,}"
        for (split, label), published in PUBLISHED.items()
        if counts[split, label] != published
    ]
    warnings = [f"the films are not those published: {', '.join(differences)}"] if differences else []
    nameless = [film.file for film in films if film.file.endswith(f"/{film.patient}")]
    if nameless:
        warnings.append(f"no patient is known of {len(nameless):,} films (the first is {nameless[0]}): each is its own")
    return warnings
