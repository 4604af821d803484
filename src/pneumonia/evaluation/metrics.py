"""The figures of a classifier."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn import metrics as sk

THRESHOLD = 0.5
"""From which probability on a film is called pneumonia."""
SICK = "pneumonia"
"""What any class but the first, `normal`, is an instance of."""


def figures(truth: np.ndarray, probabilities: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """The figures of `probabilities`, float (N, C), of the classes `names` against `truth`, int (N,).

    Of two classes: those of `binary_metrics` for the second. Of more: `accuracy` and `loss` over all classes, where the
    likeliest class is called; `class/…` of each class against the rest; without a prefix their means over the classes;
    and `pneumonia/…`, the binary figures that follow, of the probability of any class but `normal`.
    """
    if len(names) == 2:
        return binary_metrics(truth, probabilities[:, 1])
    called = probabilities.argmax(axis=1)
    each = {
        name: binary_metrics((truth == number).astype(int), probabilities[:, number], (called == number).astype(int))
        for number, name in enumerate(names)
    }
    counted = ("true_negatives", "false_positives", "false_negatives", "true_positives")
    macro = {
        name: float(np.mean([one[name] for one in each.values()])) for name in each[names[0]] if name not in counted
    }
    overall = {
        "loss": float(sk.log_loss(truth, probabilities, labels=range(len(names)))),
        "accuracy": float(sk.accuracy_score(truth, called)),
    }
    each[SICK] = binary_metrics((truth > 0).astype(int), 1 - probabilities[:, 0])
    return {**macro, **overall, **{f"{name}/{key}": value for name, one in each.items() for key, value in one.items()}}


def binary_metrics(truth: np.ndarray, probability: np.ndarray, called: np.ndarray | None = None) -> dict[str, float]:
    """Figures of `probability`, float (N,), of a class against `truth`, int (N,) of 0 and 1.

    `called`, int (N,) of 0 and 1, is which films are given that class: without it those from 0.5 on. `loss` is the mean
    binary cross-entropy in nats, `pr_auc` the average precision. A ratio whose denominator is zero (precision, where
    nothing is called) is 0.
    """
    if called is None:
        called = (probability >= THRESHOLD).astype(int)
    negatives, false_positives, false_negatives, positives = sk.confusion_matrix(truth, called, labels=[0, 1]).ravel()
    return {
        "loss": float(sk.log_loss(truth, probability, labels=[0, 1])),
        "accuracy": float(sk.accuracy_score(truth, called)),
        "precision": float(sk.precision_score(truth, called, zero_division=0)),
        "recall": float(sk.recall_score(truth, called, zero_division=0)),
        "specificity": float(sk.recall_score(truth, called, pos_label=0, zero_division=0)),
        "f1": float(sk.f1_score(truth, called, zero_division=0)),
        "roc_auc": float(sk.roc_auc_score(truth, probability)),
        "pr_auc": float(sk.average_precision_score(truth, probability)),
        "true_negatives": int(negatives),
        "false_positives": int(false_positives),
        "false_negatives": int(false_negatives),
        "true_positives": int(positives),
    }


def one_against_rest(
    truth: np.ndarray, probabilities: np.ndarray, names: Sequence[str]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What curves are drawn of: `pneumonia`, and of more than two classes each; its truth int (N,) of 0 and 1, and its
    probability float (N,).
    """
    pairs = {SICK: ((truth > 0).astype(int), 1 - probabilities[:, 0])}
    if len(names) > 2:
        pairs |= {name: ((truth == number).astype(int), probabilities[:, number]) for number, name in enumerate(names)}
    return pairs


def roc_curve(truth: np.ndarray, probability: np.ndarray) -> pd.DataFrame:
    """The ROC curve: `false_positive_rate`, `true_positive_rate`, `threshold`."""
    false_positive, true_positive, threshold = sk.roc_curve(truth, probability, drop_intermediate=False)
    # scikit-learn's first threshold is infinite: no film is called positive. A probability above 1 says the same.
    columns = {"false_positive_rate": false_positive, "true_positive_rate": true_positive}
    return pd.DataFrame({**columns, "threshold": np.minimum(threshold, 1.01)})


def pr_curve(truth: np.ndarray, probability: np.ndarray) -> pd.DataFrame:
    """The precision-recall curve: `recall`, `precision`."""
    precision, recall, _ = sk.precision_recall_curve(truth, probability)
    return pd.DataFrame({"recall": recall, "precision": precision})
