"""Files that stages write: each is whole or absent, since it is written beside its place and renamed into it."""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pneumonia.names import fitting


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; rename it to `path` when the block ends without an exception.

    The name keeps the suffix of `path`, because writers such as Keras and Matplotlib choose their format by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(fitting(f".partial-{path.name}"))
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_directory(path: Path) -> Iterator[Path]:
    """Yield an empty directory beside `path`; it replaces `path` when the block ends without an exception."""
    partial = path.with_name(fitting(f".partial-{path.name}"))
    replaced = path.with_name(fitting(f".replaced-{path.name}"))
    if replaced.exists() and not path.exists():
        replaced.replace(path)  # an earlier run was killed between the two renames
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        shutil.rmtree(replaced, ignore_errors=True)
        if path.exists():
            path.replace(replaced)
        partial.replace(path)
        shutil.rmtree(replaced, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def fingerprint(files: list[Path]) -> str:
    """The SHA-256, in hexadecimal, of the files' contents, one after the other."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
