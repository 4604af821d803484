"""Labels that may be mistakes: confident learning (Northcutt, Jiang, Chuang, 2021) on out-of-fold predictions.

A film counts confidently to a class where its probability reaches the mean of those that bear the label. How many
labels are wrong is estimated by these counts, each class brought to the number of films that bear its label (the
confident joint). Films are ranked by their margin: the probability of the label less that of the likeliest other class.
"""

import numpy as np
import pandas as pd

from pneumonia.annotations.labels import WITHOUT_PNEUMONIA

FACTS = ["file", "patient", "label", "class"]
PER_CLASS = "probability_"


def suspect_labels(table: pd.DataFrame) -> pd.DataFrame:
    """The films of an `out_of_fold` table whose label may be a mistake, the likeliest mistakes first.

    Columns: `file`, `patient`, `label`, `class`, the class that is `suggested` (the likeliest other one), the
    probabilities of both, the `margin` between them, and whether the film counts to the suggested class `confident`ly.
    There are those that do, and those to which the suggested class fits better than their own. A suspect is no mistake
    yet: a radiologist decides.
    """
    names, probabilities = class_probabilities(table)
    given, rows = table["class"].map(names.index).to_numpy(), np.arange(len(table))
    others = probabilities.copy()
    others[rows, given] = -1
    suggested = others.argmax(axis=1)
    confident = _confident(given, probabilities) == suggested
    of_label, of_suggested = probabilities[rows, given], probabilities[rows, suggested]
    found = table[FACTS].assign(
        suggested=np.array(names)[suggested],
        probability_of_label=of_label,
        probability_of_suggested=of_suggested,
        margin=of_label - of_suggested,
        confident=confident,
    )
    return found[confident | (found["margin"] < 0)].sort_values(["margin", "file"], ignore_index=True)


def wrong_labels(table: pd.DataFrame) -> float:
    """How many of the labels of an `out_of_fold` table are estimated to be wrong."""
    names, probabilities = class_probabilities(table)
    given = table["class"].map(names.index).to_numpy()
    suggested = _confident(given, probabilities)
    counts = np.array([[((given == i) & (suggested == j)).sum() for j in range(len(names))] for i in range(len(names))])
    of_class = np.bincount(given, minlength=len(names))
    joint = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) * of_class[:, None]
    return float(joint.sum() - np.trace(joint))


def class_probabilities(table: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    """The classes, those without pneumonia first, and the probability of each, float (N, C)."""
    if names := [column.removeprefix(PER_CLASS) for column in table if column.startswith(PER_CLASS)]:
        return names, table[[f"{PER_CLASS}{name}" for name in names]].to_numpy(float)
    names = sorted(set(table["class"]), key=lambda name: name not in WITHOUT_PNEUMONIA)
    sick = table["probability"].to_numpy(float)
    return names, np.stack([1 - sick, sick], axis=1)


def _confident(given: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The class, int (N,), that each film counts to confidently; -1 for none."""
    least = np.array([probabilities[given == each, each].mean() for each in range(probabilities.shape[1])])
    reached = np.where(probabilities >= least - 1e-12, probabilities, -1)
    return np.where(reached.max(axis=1) >= 0, reached.argmax(axis=1), -1)
