"""How a table calls the films of a folder: by their path, by a part of it, or without their suffix."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath


class FilmNames:
    """The films of a folder, paths relative to it, to be found by what a table calls them.

    So `CheXpert/train/p1/1.jpg` and `1.jpg` both mean `train/p1/1.jpg`, and `1` does, if there is no other.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._whole: dict[str, list[str]] = defaultdict(list)
        self._ends: dict[str, list[str]] = defaultdict(list)
        for name in sorted(names):
            self._whole[name].append(name)
            without_suffix = str(PurePosixPath(name).with_suffix(""))
            if without_suffix != name:
                self._whole[without_suffix].append(name)
            for written in {*_ends(name), *_ends(without_suffix)}:
                self._ends[written].append(name)

    def called(self, written: str, below: str = "") -> list[str]:
        """The films that `written` may mean: a path in the folder `below`, the end of one, or one that begins above."""
        for path in dict.fromkeys((written, written.replace("\\", "/"))):
            for names, ends in ((self._whole, [below + path]), (self._ends, [path]), (self._whole, _ends(path))):
                if found := next((names[end] for end in ends if end in names), []):
                    return found
        return []


def _ends(path: str) -> Iterator[str]:
    """`path`, and what is left of it without the folders that it begins with, one after the other."""
    parts = path.split("/")
    return ("/".join(parts[start:]) for start in range(len(parts)))
