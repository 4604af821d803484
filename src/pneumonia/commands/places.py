"""The films in the places that a user names for a command."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pneumonia.errors import UserError
from pneumonia.names import printable
from pneumonia.radiographs import film_files


def films_in(places: Sequence[Path], without: Path | None = None) -> list[Path]:
    """The files among `places`, whatever their names, and the films in its folders (see `film_files`), each once.

    What lies in the folder `without` is left out. What was ignored in folders is told on stderr. Films that are missing
    and folders that cannot be read are among them: no row is lost, and theirs has the reason.

    Raises:
        UserError: a place without any, or one that cannot be read.
    """
    films: dict[Path, None] = {}
    for place in places:
        inside = [place]
        if os.path.isdir(place):  # and not Path.is_dir, which raises where a name is too long
            found = film_files.find_films(place)
            inside = [place / name for name in sorted([*found.films, *found.missing, *found.unreadable])]
            inside = [file for file in inside if not without or not _lies_in(file, without)]
            if not inside:
                nothing = f"{place}: has no films in it, no file with one of {', '.join(film_files.SUFFIXES)}"
                raise UserError("; ".join([nothing, *found.told()]))
            for line in found.told():
                print(f"{printable(str(place))}: {line}", file=sys.stderr)
        films |= dict.fromkeys(inside)
    return list(films)


def _lies_in(file: Path, folder: Path) -> bool:
    return file.parent.resolve().is_relative_to(folder.resolve())
