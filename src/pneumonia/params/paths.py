"""Where a path that the user gave leads."""

import os
from pathlib import Path

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
