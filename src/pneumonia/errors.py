"""Mistakes that a user can mend, told in one line."""

import errno
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import gettempdir

from pneumonia.names import printable

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says where no byte more can be written: the disk is full, the user's share of it, or the file."""

FULL_WORDS = re.compile(
    "|".join([*map(os.strerror, FULL), r"\d+ requested and \d+ written", "database or disk is full"])
)
"""What is left of it in the errors of libraries that keep no number: HDF5, TensorFlow, NumPy, SQLite."""


class UserError(Exception):
    """A mistake in params, a path or a file. The message is one line: what was wrong, what it was, what it may be."""


def few(names: Sequence[str], most: int = 5) -> str:
    """The first of `names` in one line, and how many more there are."""
    if len(names) <= most:
        return ", ".join(names) or "none"
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def why_full(error: BaseException) -> str:
    """How it was told that the disk is full, if that is what `error` is about; else an empty string."""
    if isinstance(error, OSError) and error.errno in FULL:
        return os.strerror(error.errno)
    found = FULL_WORDS.search(str(error))
    return found[0] if found else ""


@contextmanager
def exit_on_user_error() -> Iterator[None]:
    """Turn a `UserError`, or a full disk, into one line on stderr and exit code 1; any other keeps its traceback.

    Who writes a file names it (see `outputs`). What is left are stdout, and files that libraries write for themselves.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, UserError):
            told = str(error)
        elif reason := why_full(error):
            told = f"{os.getcwd()}, {gettempdir()} or stdout: cannot be written ({reason})"
        else:
            raise
        print(f"error: {printable(told)}", file=sys.stderr)
        sys.exit(1)
