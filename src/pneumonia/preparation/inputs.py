"""What lies outside of the project and goes into a run: the user's films, weights and tables, told by their content.

DVC sees the paths in params.yaml, which stay the same when the films change. So a stage that always runs writes what is
there, and stages that use it depend on that. It must cost little where nothing changed: a file is read again only where
its size, its times or its place on the disk are others.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from pneumonia.outputs import fingerprint, whole_file
from pneumonia.params.paths import user_path
from pneumonia.radiographs.film_files import find_films

Known = dict[str, list[Any]]
"""By path of a file: its size, its times of content and of state, its inode when it was read, and its SHA-256."""

SOURCES = Path(__file__).parents[1] / "sources"

WORDS = ("auto", "imagenet", "random")
"""What weights may be that is no path."""


def write_inputs(params: dict[str, Any], out: Path, state: Path) -> None:
    """Write the SHA-256 of what `params` name, null where that is nothing, into `out`: `films.json`, `weights.json`,
    and of the tables for the split `split.json` and `corrections.json`.

    `params` is params.yaml as it is, since checking it takes longer than all of this. Mistakes in it are told by the
    stages that use it. `state` is where is kept what was read before.

    Raises:
        UserError: a folder that cannot be read.
    """
    known = _read(state)
    seen: Known = {}
    source, weights = _chosen(params, "datasets", "dataset"), _chosen(params, "models", "model").get("weights")
    split, several = params.get("split") or {}, params.get("dataset") == "several"
    digests = {
        "films": _several(params, source, known, seen) if several else _films(source, known, seen),
        "weights": None if weights in WORDS else _content(weights, known, seen),
        "split": _content(split.get("file"), known, seen),
        "corrections": _content(split.get("corrections"), known, seen),
    }
    for name, digest in digests.items():
        with whole_file(out / f"{name}.json") as partial:
            partial.write_text(json.dumps({"sha256": digest}) + "\n")
    with whole_file(state) as partial:
        partial.write_text(json.dumps(known | seen))  # of other data sets too, since runs in turns share it


def _chosen(params: dict[str, Any], blocks: str, choice: str) -> dict[str, Any]:
    return (params.get(blocks) or {}).get(params.get(choice)) or {}


def _films(block: dict[str, Any], known: Known, seen: Known) -> str | None:
    """What a source's films are, and its table where that lies outside of them."""
    path, table = block.get("path"), block.get("table")
    films = _content(path, known, seen)
    if films is None or not isinstance(path, str) or not isinstance(table, str):
        return films
    folder = user_path(path)
    place = folder / Path(table).expanduser()
    if not place.is_file() or place.is_relative_to(folder):
        return films
    return hashlib.sha256(f"{films}\n{_file_content(place, known, seen)}\n".encode()).hexdigest()


def _several(params: dict[str, Any], block: dict[str, Any], known: Known, seen: Known) -> str:
    """What goes into several sources: the films of each, and its parameters and code, which DVC does not see."""
    digest = hashlib.sha256()
    for name in map(str, block.get("of") or []):
        is_block = (SOURCES / name / "source.py").is_file()
        source = name if is_block else "folder"
        settings = _chosen(params | {"dataset": source}, "datasets", "dataset")
        place = user_path(name).parent if user_path(name).is_file() else name
        films = _films(settings, known, seen) if is_block else _content(str(place), known, seen)
        told = {key: value for key, value in settings.items() if key != "recommended"}
        code = fingerprint(sorted((SOURCES / source).glob("*.py")))
        digest.update(json.dumps([name, films, told, code], default=str).encode())
    return digest.hexdigest()


def _read(state: Path) -> Known:
    """What was known; nothing where that is lost or damaged, since then all is read again."""
    try:
        return dict(json.loads(state.read_text()))
    except (OSError, ValueError):
        return {}


def _content(path: object, known: Known, seen: Known) -> str | None:
    place = user_path(path) if isinstance(path, str) else None
    if place is None or not place.exists():
        return None
    names = find_films(place, suffixes=("",)).films if place.is_dir() else [""]
    digest = hashlib.sha256()
    for name in names:
        digest.update(f"{name}\0{_file_content(place / name, known, seen)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _file_content(file: Path, known: Known, seen: Known) -> str:
    status = os.stat(file)
    facts = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
    *before, digest = known.get(str(file), [""])
    seen[str(file)] = [*facts, digest if before == facts else fingerprint([file])]
    return str(seen[str(file)][-1])
