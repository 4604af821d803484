"""The finest labels a source may give a film, and how a task merges them into classes."""

from collections.abc import Sequence

import numpy as np

from pneumonia.errors import UserError

LABELS = ("normal", "bacterial", "viral", "pneumonia", "not_normal", "opacity")
"""What a film may be labelled. `pneumonia` is for sources that do not tell bacterial from viral; `not_normal` is a film
with findings but without the `opacity` of a possible pneumonia."""

_CLASSES = {
    "binary": {"normal": "normal", "bacterial": "pneumonia", "viral": "pneumonia", "pneumonia": "pneumonia"},
    "multiclass": {"normal": "normal", "bacterial": "bacterial", "viral": "viral"},
}


def class_names(task: str) -> list[str]:
    """The classes of a task, in the order of their numbers."""
    return list(dict.fromkeys(_CLASSES[task].values()))


def to_classes(labels: Sequence[str], task: str) -> np.ndarray:
    """Class numbers, int64 of shape (N,), of the films' labels.

    Raises:
        UserError: a label that the task cannot place.
    """
    merged = _CLASSES[task]
    unknown = sorted(set(labels) - set(merged))
    if unknown:
        raise UserError(f"label {unknown[0]!r} has no class in task {task!r}; it may be one of {', '.join(merged)}")
    numbers = {name: number for number, name in enumerate(class_names(task))}
    return np.array([numbers[merged[label]] for label in labels], dtype=np.int64)
