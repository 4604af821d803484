"""Names of files as text. A name may be any bytes: no UTF-8, several lines, what a terminal takes for an order."""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Container, Iterable
from pathlib import PurePosixPath

LONGEST = 255
"""The most bytes that a name of a file may have."""

_OBEYED = {"Cc", "Cf", "Zl", "Zp"}
"""Unicode's categories of characters that end a line, move the cursor or turn the direction of writing."""


def utf8(text: str) -> str:
    r"""`text` as UTF-8 can write it: a byte that is none, in Python a surrogate, becomes `\xe9`."""
    return re.sub("[\ud800-\udfff]", lambda found: _escape(found[0]), text)


def printable(text: str) -> str:
    r"""`text` on one line that a terminal shows and does not obey: a line break in it becomes `\n`."""
    return "".join(_escape(each) if unicodedata.category(each) in _OBEYED else each for each in utf8(text))


def fitting(name: str) -> str:
    """`name`, `printable` and of `LONGEST` bytes at most: a longer one is cut, and a hash tells it from others."""
    text = printable(name)
    if len(text.encode()) <= LONGEST:
        return text
    suffix = PurePosixPath(text).suffix
    suffix = suffix if len(suffix) <= 10 else ""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{text.encode()[: LONGEST - 60].decode(errors='ignore')}~{digest}{suffix}"


def spell(names: Iterable[str], spelling: Callable[[str], str]) -> dict[str, str]:
    """The `spelling` of each name, no two alike: a name that it leaves as it is keeps it, others get a number."""
    spelt = {name: spelling(name) for name in sorted(set(names))}
    taken = {name for name, new in spelt.items() if name == new}
    for name, new in spelt.items():
        if name != new:
            spelt[name] = unlike(new, taken)
            taken.add(spelt[name])
    return spelt


def spell_paths(paths: Iterable[str]) -> dict[str, str]:
    """A path for each of `paths`, which have `/` between their folders, of names that any file system and index hold.

    Names are `fitting`, and two that differ do so afterwards too.
    """
    folders_and_file = {path: path.split("/") for path in paths}
    spelt = spell((name for names in folders_and_file.values() for name in names), fitting)
    return {path: "/".join(spelt[name] for name in names) for path, names in folders_and_file.items()}


def unlike(name: str, taken: Container[str]) -> str:
    """`name`, or, where it is `taken`, the first of `name~2`, `name~3` … that is not; its suffix comes last."""
    path, number, free = PurePosixPath(name), 2, name
    while free in taken:
        free, number = str(path.with_name(f"{path.stem}~{number}{path.suffix}")), number + 1
    return free


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # Python's stand-in for a byte that is no UTF-8 (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
