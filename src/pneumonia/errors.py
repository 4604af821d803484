"""Mistakes that a user can mend, told in one line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pneumonia.names import printable


class UserError(Exception):
    """A mistake in params, a path or a file. The message is one line: what was wrong, what it was, what it may be."""


@contextmanager
def exit_on_user_error() -> Iterator[None]:
    """Turn a `UserError` into its one line on stderr and exit code 1; any other exception keeps its traceback."""
    try:
        yield
    except UserError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        sys.exit(1)
