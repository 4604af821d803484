"""What the names of class folders, of splits and the labels in a table mean."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pneumonia.annotations.labels import WITHOUT_PNEUMONIA

CLASSES = {
    "normal": "normal",
    "pneumonia": "pneumonia",
    "bacterial": "bacterial",
    "bacteria": "bacterial",
    "viral": "viral",
    "virus": "viral",
    "opacity": "opacity",
    "not_normal": "not_normal",
}
"""What a class may be called, in upper or lower case, and the label that it means."""

SPLITS = {"train": "train", "val": "train", "valid": "train", "validation": "train", "test": "test"}
"""What a split may be called, in upper or lower case, and the side that it is on."""

REST = "rest"
"""The name that stands for all which have no meaning of their own."""
TOGETHER = "|"
"""What is between the names of several findings on one film."""


class UnknownName(Exception):
    """A name without a meaning; it is the message."""


@dataclass(frozen=True)
class Naming:
    """The meaning of each name, by its `key`: a label, or None for films that are left out."""

    meanings: Mapping[str, str | None]

    def label(self, names: str) -> str | None:
        """The label of a film that is called `names`, one or several with `TOGETHER` between them.

        Raises:
            UnknownName: one without a meaning.
        """
        each = [names] if key(names) in self.meanings else names.split(TOGETHER)
        return together(self._meaning(name) for name in each)

    def told(self) -> str:
        """What a name may be, in words."""
        return ", ".join(name for name in self.meanings if name != REST)

    def _meaning(self, name: str) -> str | None:
        if key(name) in self.meanings:
            return self.meanings[key(name)]
        if REST in self.meanings:
            return self.meanings[REST]
        raise UnknownName(name)


def naming(labels: Mapping[str, str | None], positive: Iterable[str]) -> Naming:
    """The `CLASSES`, and the user's own: what `labels` say, and the names that are `positive`, pneumonia."""
    own = {key(name): label for name, label in labels.items()}
    return Naming(CLASSES | own | {key(name): "pneumonia" for name in positive})


def key(name: str) -> str:
    """`name` without what does not count: case, blanks, and the zeros of a number (`1.0` is `1`)."""
    plain = " ".join(name.split()).casefold()
    return re.sub(r"^(-?\d+)\.0*$", r"\1", plain)


def together(labels: Iterable[str | None]) -> str | None:
    """The label of a film with several: an illness counts more than to be left out, and that more than to be well.

    Where two kinds of pneumonia are told, it is one of no kind.
    """
    all_of_them = set(labels)
    sick = {label for label in all_of_them if label is not None and label not in WITHOUT_PNEUMONIA}
    if sick:
        return sick.pop() if len(sick) == 1 else "pneumonia"
    if None in all_of_them:
        return None
    return "not_normal" if "not_normal" in all_of_them else "normal"
