"""Which files in a folder are films: one rule for all who search one. A file that the user names himself always is."""

import os
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from pneumonia.errors import UserError
from pneumonia.names import printable

SUFFIXES = (".dcm", ".dicom", ".jpeg", ".jpg", ".png")
"""What films' names end in, in small or capital letters."""

IMAGES = "images"
"""A folder of this name says nothing about its films: it is there to tell them from their masks."""

_OF_THE_SYSTEM = {
    "__macosx", "$recycle.bin", "recycler", "recycled", "system volume information", "lost+found",
    "@eadir", "#recycle", "#snapshot", "@recycle",
}  # fmt: skip
"""Folders that systems and network storage add: thumbnails, forks, and copies of what was deleted."""

_MASKS = re.compile(r"(.*(masks?|segmentations?)[\W\d_]*)|(masks?[\W_].*)", re.IGNORECASE | re.DOTALL)
"""Folders of masks: `masks`, `lungmask`, `leftMask`, `Masks (2)`, `mask_images`, `segmentation`."""

_MASK_FILE = re.compile(r".*[\W_]masks?\.\w+", re.IGNORECASE | re.DOTALL)
"""Masks beside their films: `1_mask.png`."""

_HIDDEN = "hidden files and folders, or the system's"
_MASK = "masks"
_OTHER = "files that are no {suffixes}"
_NO_FILE = "entries that are no files"
_AGAIN = "links to folders that are searched already, or that this one lies in"
_NOWHERE = "links that lead nowhere"


@dataclass(frozen=True)
class Found:
    """What a folder holds: paths relative to it, with `/` between folders, sorted."""

    films: list[str]
    missing: list[str] = field(default_factory=list)
    """Links that are called like films and lead nowhere."""
    ignored: dict[str, list[str]] = field(default_factory=dict)
    """All else, by what it is."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Folders that cannot be read, and why."""

    @property
    def number_ignored(self) -> int:
        """How many entries were ignored."""
        return sum(map(len, self.ignored.values()))

    def told(self) -> list[str]:
        """A line for each kind of what was ignored: how many there are, and the first."""
        return [_count(what, entries) for what, entries in self.ignored.items()]

    def told_with_missing(self) -> list[str]:
        """`told`, for those who have no other place to say which films are missing."""
        return self.told() + ([_count("films that are links and lead nowhere", self.missing)] if self.missing else [])


def find_films(folder: Path, suffixes: tuple[str, ...] = SUFFIXES) -> Found:
    """The files below `folder` that end in one of `suffixes` (lower case, with the dot), and what was ignored.

    Ignored are hidden files and folders, those that systems add, and folders of masks. Links are followed, to files
    and to folders. But each folder is searched once, by its own place rather than by a link to it, and the ones that
    `folder` itself lies in are not. Films are not opened: a corrupt one is found too.

    Raises:
        UserError: `folder` itself cannot be read.
    """
    films, missing, ignored = list[str](), list[str](), defaultdict[str, list[str]](list)
    unreadable: dict[str, str] = {}
    searched = {_identity(parent) for parent in folder.resolve().parents}
    folders, links = [""], list[str]()
    while folders or links:
        here = folders.pop() if folders else links.pop(0)
        try:
            identity, entries = _identity(folder / here), sorted((folder / here).iterdir())
        except OSError as error:
            if not here:
                raise UserError(f"{folder}: cannot be read ({error.strerror})") from error
            unreadable[here] = error.strerror or str(error)
            continue
        if identity in searched:
            ignored[_AGAIN].append(here)
            continue
        searched.add(identity)
        for path in entries:
            name = f"{here}/{path.name}" if here else path.name
            if is_hidden(name):
                ignored[_HIDDEN].append(name)
            elif os.path.isdir(path):  # and not Path.is_dir, which raises where a link may not be followed
                (links if path.is_symlink() else folders).append(name)
            elif not _has_suffix(path.name, suffixes):
                nowhere = path.is_symlink() and not os.path.exists(path)
                ignored[_NOWHERE if nowhere else _OTHER.format(suffixes=", ".join(suffixes))].append(name)
            elif any(map(_MASKS.fullmatch, name.split("/")[:-1])) or _MASK_FILE.fullmatch(path.name):
                ignored[_MASK].append(name)
            elif os.path.isfile(path):
                films.append(name)
            else:
                missing.append(name) if path.is_symlink() else ignored[_NO_FILE].append(name)
    return Found(sorted(films), sorted(missing), {what: sorted(names) for what, names in ignored.items()}, unreadable)


def is_hidden(path: str) -> bool:
    """Whether a file or folder in `path`, which has `/` between them, is hidden or one that a system adds."""
    return any(name.startswith(".") or name.lower() in _OF_THE_SYSTEM for name in path.split("/"))


def is_dicom_name(name: str) -> bool:
    """Whether a file's name says that it is DICOM."""
    return _has_suffix(name, (".dcm", ".dicom"))


def _has_suffix(name: str, suffixes: tuple[str, ...]) -> bool:
    return name.rstrip().lower().endswith(suffixes)  # a blank may trail where names were typed


def _identity(folder: Path) -> tuple[int, int]:
    """What a folder is, whatever way leads to it."""
    status = folder.stat()
    return status.st_dev, status.st_ino


def _count(what: str, entries: list[str]) -> str:
    return f"left out {len(entries):,} {what} (the first is {printable(entries[0])})"
