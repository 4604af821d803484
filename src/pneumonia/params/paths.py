"""Where a path that the user gave leads, and where things are kept for him."""

import os
from pathlib import Path

import platformdirs

from pneumonia.errors import UserError


def user_path(path: str) -> Path:
    """A path that the user gave; a relative one starts at the main repository, also in a `dvc exp` copy of it.

    Raises:
        UserError: no file can have this path, or it may not be looked at.
    """
    try:
        place = Path(os.environ.get("DVC_ROOT", ".")).joinpath(Path(path).expanduser())
        place.exists()
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"path {path[:100]!r} cannot be looked at ({error})") from error
    return place


def user_cache() -> Path:
    """Where downloads and compiled programs are kept: `PNEUMONIA_CACHE`, or the operating system's cache folder."""
    return Path(os.environ.get("PNEUMONIA_CACHE") or platformdirs.user_cache_path("pneumonia", appauthor=False))
