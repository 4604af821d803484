import math

import numpy as np
import pytest

from pneumonia.evaluation.metrics import binary_metrics, pr_curve, roc_curve

TRUTH = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
PROBABILITY = np.array([0.1, 0.2, 0.6, 0.3, 0.9, 0.8, 0.7, 0.4, 0.5, 0.25])


def test_figures_by_hand():
    """At 0.5: 3 true negatives, 1 false positive (0.6), 2 false negatives (0.4, 0.25), 4 true positives."""
    figures = binary_metrics(TRUTH, PROBABILITY)
    counts = [figures[name] for name in ("true_negatives", "false_positives", "false_negatives", "true_positives")]
    assert counts == [3, 1, 2, 4]
    assert figures["accuracy"] == pytest.approx(7 / 10)
    assert figures["precision"] == pytest.approx(4 / 5)
    assert figures["recall"] == pytest.approx(4 / 6)
    assert figures["specificity"] == pytest.approx(3 / 4)
    assert figures["f1"] == pytest.approx(8 / 11)
    # Of 24 pairs, pneumonia is ranked lower for (0.6: 0.4, 0.5, 0.25) and (0.3: 0.25).
    assert figures["roc_auc"] == pytest.approx(20 / 24)
    # Precision at each pneumonia from the top: 1, 1, 1, 4/5, 5/6, 6/8; the films at 0.6 and 0.3 lie between.
    assert figures["pr_auc"] == pytest.approx((1 + 1 + 1 + 4 / 5 + 5 / 6 + 6 / 8) / 6)
    right = [0.9, 0.8, 0.4, 0.7, 0.9, 0.8, 0.7, 0.4, 0.5, 0.25]
    assert figures["loss"] == pytest.approx(-sum(map(math.log, right)) / 10)


def test_nothing_called_pneumonia_has_precision_zero():
    figures = binary_metrics(TRUTH, PROBABILITY / 10)
    assert (figures["precision"], figures["recall"], figures["specificity"]) == (0, 0, 1)


def test_curves_pass_through_the_figures_at_the_threshold():
    roc, pr = roc_curve(TRUTH, PROBABILITY), pr_curve(TRUTH, PROBABILITY)
    at = roc[roc["threshold"] == 0.5].iloc[0]
    assert (at["true_positive_rate"], at["false_positive_rate"]) == pytest.approx((4 / 6, 1 / 4))
    assert np.isfinite(roc.to_numpy()).all()
    assert ((pr["recall"] - 4 / 6).abs() + (pr["precision"] - 4 / 5).abs()).min() == pytest.approx(0)
