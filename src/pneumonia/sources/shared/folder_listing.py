"""Films in a user's folder: which are taken, and how they are copied."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from pneumonia.errors import UserError


def list_films(folder: Path, suffixes: tuple[str, ...]) -> tuple[list[str], int]:
    """The films below `folder`, as sorted `/`-separated paths relative to it, and how many other entries were ignored.

    The others are hidden files and folders, symbolic links (a link may lead anywhere, or in circles) and files that end
    in none of `suffixes` (lower case, with the dot). Films are not opened: a corrupt one is listed too.

    Raises:
        UserError: a folder that cannot be read, or a name that is not UTF-8 and could not be written into an index.
    """
    films: list[str] = []
    ignored = 0
    for parent, folders, files in os.walk(folder, onerror=_raise_unreadable):
        here = Path(parent)
        entered = [name for name in folders if not name.startswith(".") and not (here / name).is_symlink()]
        taken = [here / name for name in files if _is_film(here / name, suffixes)]
        ignored += len(folders) - len(entered) + len(files) - len(taken)
        films += [path.relative_to(folder).as_posix() for path in taken]
        folders[:] = entered
    for film in films:
        if not _is_utf8(film):
            raise UserError(f"{folder}: the file name {film!r} is not UTF-8; rename it")
    return sorted(films), ignored


def copy_films(folder: Path, destinations: Mapping[str, Path]) -> None:
    """Copy each film named in `destinations` to its path there, with a progress bar on stderr.

    The copies are real and writable: DVC makes what is in its cache read-only, and through a hard link it would make
    the user's own file so.

    Raises:
        UserError: a file that cannot be read or written.
    """
    for name, destination in tqdm(destinations.items(), desc=f"copying {folder.name}"):
        try:
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, destination)
        except OSError as error:
            raise UserError(f"{folder / name}: cannot be copied to {destination} ({error.strerror})") from error


def _is_film(path: Path, suffixes: tuple[str, ...]) -> bool:
    hidden = path.name.startswith(".")
    return path.suffix.lower() in suffixes and not hidden and not path.is_symlink() and path.is_file()


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _raise_unreadable(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot be read ({error.strerror})") from error
