import math

import numpy as np
import pytest

from pneumonia.evaluation.metrics import binary_metrics, compute_metrics, one_against_rest, pr_curve, roc_curve
from pneumonia.inference.probabilities import predict_classes

TRUTH = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
PROBABILITY = np.array([0.1, 0.2, 0.6, 0.3, 0.9, 0.8, 0.7, 0.4, 0.5, 0.25])


def test_figures_by_hand():
    """At 0.5: 3 true negatives, 1 false positive (0.6), 2 false negatives (0.4, 0.25), 4 true positives."""
    outcome = binary_metrics(TRUTH, PROBABILITY, PROBABILITY >= 0.5)
    counts = [outcome[name] for name in ("true_negatives", "false_positives", "false_negatives", "true_positives")]
    assert counts == [3, 1, 2, 4]
    assert outcome["accuracy"] == pytest.approx(7 / 10)
    assert outcome["precision"] == pytest.approx(4 / 5)
    assert outcome["sensitivity"] == pytest.approx(4 / 6)
    assert outcome["specificity"] == pytest.approx(3 / 4)
    assert outcome["f1"] == pytest.approx(8 / 11)
    # Of 24 pairs, pneumonia is ranked lower for (0.6: 0.4, 0.5, 0.25) and (0.3: 0.25).
    assert outcome["roc_auc"] == pytest.approx(20 / 24)
    # Precision at each pneumonia from the top: 1, 1, 1, 4/5, 5/6, 6/8; the films at 0.6 and 0.3 lie between.
    assert outcome["pr_auc"] == pytest.approx((1 + 1 + 1 + 4 / 5 + 5 / 6 + 6 / 8) / 6)
    right = [0.9, 0.8, 0.4, 0.7, 0.9, 0.8, 0.7, 0.4, 0.5, 0.25]
    assert outcome["loss"] == pytest.approx(-sum(map(math.log, right)) / 10)


def test_nothing_called_pneumonia_has_precision_zero():
    outcome = binary_metrics(TRUTH, PROBABILITY, np.zeros(10))
    assert (outcome["precision"], outcome["sensitivity"], outcome["specificity"]) == (0, 0, 1)


def test_curves_pass_through_the_figures_at_the_threshold():
    roc, pr = roc_curve(TRUTH, PROBABILITY), pr_curve(TRUTH, PROBABILITY)
    at = roc[roc["threshold"] == 0.5].iloc[0]
    assert (at["true_positive_rate"], at["false_positive_rate"]) == pytest.approx((4 / 6, 1 / 4))
    assert np.isfinite(roc.to_numpy()).all()
    assert ((pr["recall"] - 4 / 6).abs() + (pr["precision"] - 4 / 5).abs()).min() == pytest.approx(0)


NAMES = ["normal", "bacterial", "viral"]
CLASSES = np.array([0, 0, 1, 1, 2, 2])
PROBABILITIES = np.array(
    [[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.1, 0.8, 0.1], [0.45, 0.3, 0.25], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7]]
)


def test_two_classes_are_called_from_the_threshold_on_and_once_more_from_one_half():
    outcome = compute_metrics(
        TRUTH, np.column_stack([1 - PROBABILITY, PROBABILITY]), ["normal", "pneumonia"], threshold=0.65
    )
    assert (outcome["sensitivity"], outcome["specificity"]) == pytest.approx((3 / 6, 1))
    assert (outcome["at_half/sensitivity"], outcome["at_half/specificity"]) == pytest.approx((4 / 6, 3 / 4))
    assert outcome["brier"] == pytest.approx(np.mean((PROBABILITY - TRUTH) ** 2))
    assert outcome["roc_auc"] == pytest.approx(20 / 24)


def test_a_film_is_normal_below_the_threshold_and_else_the_likelier_of_the_rest():
    assert predict_classes(PROBABILITIES, 0.5, healthy=1).tolist() == [0, 1, 1, 1, 1, 2]
    assert predict_classes(PROBABILITIES, 0.25, healthy=1).tolist() == [1, 1, 1, 1, 1, 2]
    assert predict_classes(PROBABILITIES, 0.95, healthy=1).tolist() == [0] * 6


def test_of_two_classes_without_pneumonia_the_likelier_is_called():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.3, 0.4, 0.3], [0.1, 0.3, 0.6]])
    assert predict_classes(probabilities, 0.5, healthy=2).tolist() == [0, 1, 2]
    assert predict_classes(probabilities, 0.25, healthy=2).tolist() == [0, 2, 2]
    names = ["normal", "not_normal", "opacity"]
    outcome = compute_metrics(np.array([0, 1, 2]), probabilities, names, threshold=0.25)
    assert (outcome["sensitivity"], outcome["specificity"], outcome["true_negatives"]) == (1, 0.5, 1)


def test_figures_of_three_classes_by_hand():
    """At 0.57 called: normal, bacterial, bacterial, normal, bacterial, viral; half of them rightly."""
    outcome = compute_metrics(CLASSES, PROBABILITIES, NAMES, threshold=0.57)
    assert outcome["classes/accuracy"] == pytest.approx(3 / 6)
    assert outcome["classes/loss"] == pytest.approx(-sum(map(math.log, [0.7, 0.4, 0.8, 0.3, 0.3, 0.7])) / 6)
    assert [outcome[f"{name}/sensitivity"] for name in NAMES] == pytest.approx([1 / 2] * 3)
    assert [outcome[f"{name}/precision"] for name in NAMES] == pytest.approx([1 / 2, 1 / 3, 1])
    assert outcome["classes/precision"] == pytest.approx((1 / 2 + 1 / 3 + 1) / 3)
    # Of 8 pairs: normal at 0.4 is under the bacterial 0.45; bacterial 0.3 under 0.5 and 0.5; viral over all.
    assert [outcome[f"{name}/roc_auc"] for name in NAMES] == pytest.approx([7 / 8, 6 / 8, 1])
    assert outcome["classes/roc_auc"] == pytest.approx((7 / 8 + 6 / 8 + 1) / 3)
    # The share of viral is 1/9 and 5/11 of the bacterial films, 3/8 and 7/9 of the viral ones: 3 of 4 pairs are right.
    assert outcome["bacterial_against_viral/roc_auc"] == pytest.approx(3 / 4)


def test_the_binary_figures_that_follow_from_three_classes():
    """Pneumonia is what is not normal: 0.3, 0.6 of the normal films, 0.9, 0.55, 0.8, 0.9 of the others."""
    outcome = compute_metrics(CLASSES, PROBABILITIES, NAMES, threshold=0.5)
    probability = np.array([0.3, 0.6, 0.9, 0.55, 0.8, 0.9])
    same = binary_metrics(np.array([0, 0, 1, 1, 1, 1]), probability, probability >= 0.5)
    for name, value in same.items():
        assert outcome[name] == pytest.approx(value)
    assert outcome["sensitivity"] == 1
    assert outcome["specificity"] == pytest.approx(1 / 2)


def test_curves_are_drawn_of_pneumonia_and_of_each_of_three_classes():
    pairs = one_against_rest(CLASSES, PROBABILITIES, NAMES)
    assert list(pairs) == ["pneumonia", *NAMES]
    truth, probability = pairs["viral"]
    assert truth.tolist() == [0, 0, 0, 0, 1, 1]
    assert probability.tolist() == PROBABILITIES[:, 2].tolist()
    assert list(one_against_rest(CLASSES > 0, PROBABILITIES[:, :2], ["normal", "pneumonia"])) == ["pneumonia"]
