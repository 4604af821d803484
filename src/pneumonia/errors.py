"""Mistakes that a user can mend, told in one line."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pneumonia.names import printable


class UserError(Exception):
    """A mistake in params, a path or a file. The message is one line: what was wrong, what it was, what it may be."""


def few(names: Sequence[str], most: int = 5) -> str:
    """The first of `names` in one line, and how many more there are."""
    if len(names) <= most:
        return ", ".join(names) or "none"
    return f"{', '.join(names[:most])} and {len(names) - most} more"


@contextmanager
def exit_on_user_error() -> Iterator[None]:
    """Turn a `UserError` into its one line on stderr and exit code 1; any other exception keeps its traceback."""
    try:
        yield
    except UserError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        sys.exit(1)
