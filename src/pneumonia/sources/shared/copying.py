"""Films on their way from a user's folder into `data/raw`."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from pneumonia.errors import UserError
from pneumonia.names import printable
from pneumonia.radiographs.film_files import SUFFIXES, Found, find_films


def find_all_films(folder: Path, suffixes: tuple[str, ...] = SUFFIXES) -> Found:
    """What `film_files.find_films` finds, if it could look everywhere.

    Raises:
        UserError: a folder that cannot be read.
    """
    found = find_films(folder, suffixes)
    for name, reason in found.unreadable.items():
        raise UserError(f"{folder / name}: cannot be read ({reason})")
    return found


def copy_films(folder: Path, destinations: Mapping[str, Path]) -> None:
    """Copy each film named in `destinations` to its path there, with a progress bar on stderr.

    The copies are real and writable, also those of links: DVC makes what is in its cache read-only, and through a hard
    link it would make the user's own file so.

    Raises:
        UserError: a file that cannot be read or written.
    """
    for name, destination in tqdm(destinations.items(), desc=f"copying {printable(folder.name)}"):
        try:
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, destination)
        except OSError as error:
            raise UserError(f"{folder / name}: cannot be copied to {destination} ({error.strerror})") from error
