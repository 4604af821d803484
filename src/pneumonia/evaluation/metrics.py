"""The figures of a binary classifier."""

import numpy as np
import pandas as pd
from sklearn import metrics as sk

THRESHOLD = 0.5
"""From which probability on a film is called pneumonia."""


def binary_metrics(truth: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    """Figures of `probability`, float (N,), of pneumonia against `truth`, int (N,) of 0 and 1, at a threshold of 0.5.

    `loss` is the mean binary cross-entropy in nats, `pr_auc` the average precision. A ratio whose denominator is zero
    (precision, where nothing is called pneumonia) is 0.
    """
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
