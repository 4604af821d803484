"""The finest labels a source may give a film, and how a task merges them into classes."""

from collections.abc import Sequence

import numpy as np

from pneumonia.errors import UserError

LABELS = ("normal", "not_normal", "bacterial", "viral", "pneumonia", "opacity")
"""The labels that a film may have. `pneumonia` is for sources that do not tell bacterial from viral, `not_normal` for
films with something other than pneumonia, `opacity` for films on which radiologists marked a possible pneumonia."""

WITHOUT_PNEUMONIA = ("normal", "not_normal", "no_opacity")
"""The classes, in any task, for films without pneumonia. They come before the others."""

_BINARY = {
    "normal": "normal",
    "not_normal": "normal",
    "bacterial": "pneumonia",
    "viral": "pneumonia",
    "pneumonia": "pneumonia",
    "opacity": "pneumonia",
}
_OPACITY = {label: "no_opacity" if label in WITHOUT_PNEUMONIA else "opacity" for label in LABELS}
_MULTICLASS = {label: label for label in ("normal", "bacterial", "viral")}
_MULTICLASS_OF_OPACITIES = {label: label if label in WITHOUT_PNEUMONIA else "opacity" for label in LABELS}


def class_names(task: str, labels_opacities: bool = False) -> list[str]:
    """The classes of a task, in the order of their numbers.

    `labels_opacities` says that the source labels whether a film shows an opacity, and not what that is.
    """
    return list(dict.fromkeys(_merging(task, labels_opacities).values()))


def class_sets(task: str) -> list[list[str]]:
    """The classes that a task may have: one list for each kind of source."""
    return [class_names(task, labels_opacities) for labels_opacities in (False, True)]


def to_classes(labels: Sequence[str], task: str, labels_opacities: bool = False) -> np.ndarray:
    """Class numbers, int64 of shape (N,), of the films' labels.

    Raises:
        UserError: a label that the task cannot place.
    """
    merged = _merging(task, labels_opacities)
    unknown = sorted(set(labels) - set(merged))
    if unknown:
        raise UserError(f"label {unknown[0]!r} has no class in task {task!r}; it may be one of {', '.join(merged)}")
    numbers = {name: number for number, name in enumerate(class_names(task, labels_opacities))}
    return np.array([numbers[merged[label]] for label in labels], dtype=np.int64)


def can_place(labels: Sequence[str], task: str, labels_opacities: bool = False) -> bool:
    """Whether each of the labels has a class in the task."""
    return set(labels) <= set(_merging(task, labels_opacities))


def count_healthy(names: Sequence[str]) -> int:
    """How many of the classes `names` are for films without pneumonia; these are the first ones."""
    return sum(name in WITHOUT_PNEUMONIA for name in names)


def _merging(task: str, labels_opacities: bool) -> dict[str, str]:
    """The class of each label that the task can place."""
    if task == "localize":
        return _OPACITY
    if task == "binary":
        return _OPACITY if labels_opacities else _BINARY
    return _MULTICLASS_OF_OPACITIES if labels_opacities else _MULTICLASS
