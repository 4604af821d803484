"""How a table calls the films of a folder: by their path, by a part of it, or without their suffix."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath


class FilmNames:
    """The films of a folder, paths relative to it, to be found by what a table calls them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = set(names)
        self._by_end: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self._names):
            last = PurePosixPath(name).name
            self._by_end[last].append(name)
            self._by_end[PurePosixPath(last).stem].append(name)

    def called(self, written: str, below: str = "") -> list[str]:
        """The films that `written` may mean; a path may begin above the folder, or further down, or `below` in it.

        So `CheXpert/train/p1/1.jpg` and `1.jpg` both mean `train/p1/1.jpg`, and `1` does, if there is no other.
        """
        written = written.replace("\\", "/") if written not in self._names else written
        if below + written in self._names:
            return [below + written]
        ends = self._by_end.get(PurePosixPath(written).name, [])
        return [name for name in ends if _same_end(name, written) or _same_end(_without_suffix(name), written)]


def _same_end(name: str, written: str) -> bool:
    return f"/{name}".endswith(f"/{written}") or f"/{written}".endswith(f"/{name}")


def _without_suffix(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))
