"""Files that stages write: each is whole or absent, since it is written beside its place and renamed into it."""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pneumonia.errors import UserError, why_full
from pneumonia.names import fitting

TOGETHER = ".partial-together"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; rename it to `path` when the block ends without an exception.

    The name keeps the suffix of `path`, because writers such as Keras and Matplotlib choose their format by it.

    Raises:
        UserError: the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(fitting(f".partial-{path.name}"))
    try:
        with full_disk_told(path):
            yield partial
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_directory(path: Path) -> Iterator[Path]:
    """Yield an empty directory beside `path`; it replaces `path` when the block ends without an exception.

    Raises:
        UserError: the disk is full.
    """
    partial, replaced = path.with_name(fitting(f".partial-{path.name}")), _replaced(path)
    if replaced.exists() and not path.exists():
        replaced.replace(path)  # an earlier run was killed between the two renames
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with full_disk_told(path):
            partial.mkdir(parents=True)
            yield partial
            _replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def replaced_together(*folders: Path) -> Iterator[list[Path]]:
    """Yield an empty directory in each of `folders`, for files and directories that belong together.

    When the block ends without an exception, all of them move into their folder, one right after the other, and replace
    what has their name there.

    Raises:
        UserError: the disk is full.
    """
    partials = [folder / TOGETHER for folder in folders]
    for partial in partials:
        shutil.rmtree(partial, ignore_errors=True)
    try:
        with full_disk_told(*folders):
            for partial in partials:
                partial.mkdir(parents=True)
            yield partials
            for folder, partial in zip(folders, partials, strict=True):
                for each in sorted(partial.iterdir()):
                    _replace(each, folder / each.name)
    finally:
        for partial in partials:
            shutil.rmtree(partial, ignore_errors=True)


def _replace(partial: Path, path: Path) -> None:
    replaced = _replaced(path)
    shutil.rmtree(replaced, ignore_errors=True)
    if path.is_dir():  # a directory takes no other's place by a rename
        path.replace(replaced)
    partial.replace(path)
    shutil.rmtree(replaced, ignore_errors=True)


def _replaced(path: Path) -> Path:
    return path.with_name(fitting(f".replaced-{path.name}"))


@contextmanager
def full_disk_told(*places: Path) -> Iterator[None]:
    """Turn what a full disk raises in the block, in which `places` are written, into one line.

    Raises:
        UserError: the disk is full.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if not (reason := why_full(error)):
            raise
        named = " or ".join(str(place).replace(f"{TOGETHER}/", "") for place in places)
        raise UserError(f"{named}: cannot be written ({reason}); what was there before is whole") from error


def fingerprint(files: list[Path]) -> str:
    """The SHA-256, in hexadecimal, of the files' contents, one after the other."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
