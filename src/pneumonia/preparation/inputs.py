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
    source = (params.get("datasets") or {}).get(params.get("dataset")) or {}
    network = (params.get("models") or {}).get(params.get("model")) or {}
    split = params.get("split") or {}
    for name, given in (
        ("films", source.get("path")),
        ("weights", network.get("weights")),
        ("split", split.get("file")),
        ("corrections", split.get("corrections")),
    ):
        digest = None if given in WORDS else _content(given, known, seen)
        with whole_file(out / f"{name}.json") as partial:
            partial.write_text(json.dumps({"sha256": digest}) + "\n")
    with whole_file(state) as partial:
        partial.write_text(json.dumps(known | seen))  # of other data sets too, since runs in turns share it


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
