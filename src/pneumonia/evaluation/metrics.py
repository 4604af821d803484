"""How well classes are predicted: a number for each metric."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn import metrics as sk

from pneumonia.annotations.labels import count_healthy
from pneumonia.evaluation.calibration import brier_score, expected_calibration_error
from pneumonia.inference.probabilities import predict_classes, probability_of_pneumonia, share_of_last

SICK = "pneumonia"
"""The name of all classes with pneumonia taken together."""
AT_HALF = ("accuracy", "sensitivity", "specificity", "f1")
"""The metrics that are also given at a threshold of 0.5."""
OVER_CLASSES = ("precision", "sensitivity", "specificity", "f1", "roc_auc", "pr_auc")


def compute_metrics(
    truth: np.ndarray, probabilities: np.ndarray, names: Sequence[str], threshold: float
) -> dict[str, float]:
    """Every metric by its name, for `probabilities`, float (N, C), of the classes `names` against `truth`, int (N,).

    The metrics without a prefix compare pneumonia of any subtype with its absence, so runs of any task share them:
    `binary_metrics` at the `threshold`, `brier` and `calibration_error`; `at_half/…` are those of `AT_HALF` at a
    threshold of 0.5. With more than two classes there are also `CLASS/…`, each class against the rest, and `classes/…`:
    `accuracy` and `loss` over all classes, and the means over them of `OVER_CLASSES`. With two subtypes there is the
    AUC between them, `bacterial_against_viral/roc_auc`, among the films that show either.
    """
    healthy = count_healthy(names)
    predicted, sick = predict_classes(probabilities, threshold, healthy), truth >= healthy
    probability = probability_of_pneumonia(probabilities, healthy)
    at_half = binary_metrics(sick, probability, probability >= 0.5)
    binary = {
        **binary_metrics(sick, probability, predicted >= healthy),
        "brier": brier_score(sick, probability),
        "calibration_error": expected_calibration_error(sick, probability),
        **{f"at_half/{name}": at_half[name] for name in AT_HALF},
    }
    if len(names) == 2:
        return binary
    each = {name: binary_metrics(truth == n, probabilities[:, n], predicted == n) for n, name in enumerate(names)}
    over = {name: float(np.mean([one[name] for one in each.values()])) for name in OVER_CLASSES}
    over["loss"] = float(sk.log_loss(truth, probabilities, labels=range(len(names))))
    over["accuracy"] = float(sk.accuracy_score(truth, predicted))
    by_class = {f"{name}/{key}": value for name, one in each.items() for key, value in one.items()}
    if pair := subtypes_told_apart(names):
        either = truth >= healthy
        by_class[f"{pair}/roc_auc"] = float(
            sk.roc_auc_score(truth[either] == len(names) - 1, share_of_last(probabilities[either]))
        )
    return {**binary, **{f"classes/{name}": value for name, value in over.items()}, **by_class}


def subtypes_told_apart(names: Sequence[str]) -> str | None:
    """The name of the comparison between two subtypes, `bacterial_against_viral`; None unless `names` hold two."""
    sick = names[count_healthy(names) :]
    return f"{sick[0]}_against_{sick[1]}" if len(sick) == 2 else None


def binary_metrics(truth: np.ndarray, probability: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """The metrics of a class: its `probability`, float (N,), and `predicted` against `truth`, (N,) of 0 and 1.

    `predicted`, (N,) of 0 and 1, says which films get that class. `loss` is the mean binary cross-entropy in nats,
    `pr_auc` the average precision. A ratio whose denominator is zero (precision, where nothing is predicted) is 0.
    """
    truth, predicted = np.asarray(truth, int), np.asarray(predicted, int)
    negatives, false_positives, false_negatives, positives = sk.confusion_matrix(
        truth, predicted, labels=[0, 1]
    ).ravel()
    return {
        "loss": float(sk.log_loss(truth, probability, labels=[0, 1])),
        "accuracy": float(sk.accuracy_score(truth, predicted)),
        "precision": float(sk.precision_score(truth, predicted, zero_division=0)),
        "sensitivity": float(sk.recall_score(truth, predicted, zero_division=0)),
        "specificity": float(sk.recall_score(truth, predicted, pos_label=0, zero_division=0)),
        "f1": float(sk.f1_score(truth, predicted, zero_division=0)),
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
    """The truth, int (N,) of 0 and 1, and the probability, float (N,), of `pneumonia`; by the name of what they are of.

    With more than two classes, those of each class against the rest follow.
    """
    healthy = count_healthy(names)
    pairs = {SICK: ((truth >= healthy).astype(int), probability_of_pneumonia(probabilities, healthy))}
    if len(names) > 2:
        pairs |= {name: ((truth == number).astype(int), probabilities[:, number]) for number, name in enumerate(names)}
    return pairs


def roc_curve(truth: np.ndarray, probability: np.ndarray) -> pd.DataFrame:
    """The ROC curve: `false_positive_rate`, `true_positive_rate`, `threshold`."""
    false_positive, true_positive, threshold = sk.roc_curve(truth, probability, drop_intermediate=False)
    # scikit-learn's first threshold is infinite: no film is predicted positive. A probability above 1 says the same.
    columns = {"false_positive_rate": false_positive, "true_positive_rate": true_positive}
    return pd.DataFrame({**columns, "threshold": np.minimum(threshold, 1.01)})


def pr_curve(truth: np.ndarray, probability: np.ndarray) -> pd.DataFrame:
    """The precision-recall curve: `recall`, `precision`."""
    precision, recall, _ = sk.precision_recall_curve(truth, probability)
    return pd.DataFrame({"recall": recall, "precision": precision})
