import numpy as np
import pytest
from scipy.stats import binom, norm
from sklearn import metrics as sk

from pneumonia.evaluation.bootstrap import (
    BinaryPredictions,
    average_precision,
    intervals,
    multiclass_intervals,
    paired_difference,
    roc_auc,
    subtype_intervals,
    weighted_binary_metrics,
)


def films(count: int, seed: int, separation: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Which films are sick, and a score that tells so, rounded so that some are alike."""
    rng = np.random.default_rng(seed)
    sick = (rng.random(count) < 0.6).astype(int)
    return sick, np.round(norm.cdf(rng.normal(separation * sick, 1) - 0.5), 2)


def alone(count: int) -> np.ndarray:
    return np.arange(count).astype(str)


def test_the_values_are_those_of_scikit_learn():
    sick, probability = films(300, 0)
    called = probability >= 0.5
    table = intervals(sick, probability, called, alone(300), draws=250)["value"]
    assert table["roc_auc"] == pytest.approx(sk.roc_auc_score(sick, probability))
    assert table["pr_auc"] == pytest.approx(sk.average_precision_score(sick, probability))
    assert table["accuracy"] == pytest.approx(sk.accuracy_score(sick, called))
    assert table["sensitivity"] == pytest.approx(sk.recall_score(sick, called))
    assert table["specificity"] == pytest.approx(sk.recall_score(sick, called, pos_label=0))
    assert table["precision"] == pytest.approx(sk.precision_score(sick, called))
    assert table["f1"] == pytest.approx(sk.f1_score(sick, called))


def test_weighted_areas_are_those_of_films_drawn_so_often():
    sick, probability = films(80, 1)
    weights = np.random.default_rng(2).integers(0, 4, (3, 80))
    for row, auc, precision in zip(
        weights, roc_auc(sick, probability, weights), average_precision(sick, probability, weights), strict=True
    ):
        drawn = np.repeat(np.arange(80), row)
        assert auc == pytest.approx(sk.roc_auc_score(sick[drawn], probability[drawn]))
        assert precision == pytest.approx(sk.average_precision_score(sick[drawn], probability[drawn]))


def test_an_accuracy_has_the_binomial_interval():
    """90 of 100 right: the quantiles of a binomial with 100 draws at 0.9."""
    sick = np.zeros(100, int)
    called = np.arange(100) < 10
    row = intervals(sick, called * 0.8, called, alone(100), draws=20_000).loc["accuracy"]
    expected = [binom.ppf(share, 100, 0.9) / 100 for share in (0.025, 0.975)]
    assert [row["low"], row["high"]] == pytest.approx(expected, abs=0.011)
    assert intervals(sick, called * 0.8, called, alone(100)).loc["sensitivity"].isna().all()  # nobody is sick


def test_an_auc_has_about_de_longs_interval():
    """DeLong, DeLong, Clarke-Pearson 1988: the variance from each film's share of pairs ranked right."""
    sick, probability = films(600, 3)
    pairs = np.subtract.outer(probability[sick == 1], probability[sick == 0])
    right = (pairs > 0) + 0.5 * (pairs == 0)
    variance = right.mean(axis=1).var(ddof=1) / right.shape[0] + right.mean(axis=0).var(ddof=1) / right.shape[1]
    row = intervals(sick, probability, probability > 0.5, alone(600)).loc["roc_auc"]
    assert row["value"] == pytest.approx(right.mean())
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * np.sqrt(variance), rel=0.06)


def test_films_of_one_patient_are_no_evidence_of_their_own():
    """Each film four times: by film the interval halves, by patient it stays what it was."""
    sick, probability = films(150, 4)
    once = intervals(sick, probability, probability > 0.5, alone(150))
    four = [np.tile(each, 4) for each in (sick, probability, alone(150))]
    by_patient = intervals(four[0], four[1], four[1] > 0.5, four[2])
    by_film = intervals(four[0], four[1], four[1] > 0.5, alone(600))
    for name in ("roc_auc", "accuracy"):
        widths = [table.loc[name, "high"] - table.loc[name, "low"] for table in (once, by_patient, by_film)]
        assert widths[1] == pytest.approx(widths[0], rel=0.1)
        assert widths[2] == pytest.approx(widths[0] / 2, rel=0.15)


def test_nineteen_of_twenty_intervals_hold_the_truth():
    true_auc = norm.cdf(1 / np.sqrt(2))
    inside = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        sick = np.arange(200) % 2
        probability = norm.cdf(rng.normal(sick, 1))
        row = intervals(sick, probability, probability > 0.5, alone(200), draws=400).loc["roc_auc"]
        inside += row["low"] <= true_auc <= row["high"]
    assert 0.90 <= inside / 200 <= 0.99


def test_the_same_seed_gives_the_same_interval():
    sick, probability = films(60, 5)
    one, again, other = (intervals(sick, probability, probability > 0.5, alone(60), seed=seed) for seed in (0, 0, 1))
    assert one.equals(again)
    assert not one.equals(other)


def test_three_classes_have_the_mean_auc_and_the_accuracy_over_the_classes():
    rng = np.random.default_rng(6)
    truth = np.arange(90) % 3
    scores = rng.random((90, 3)) + np.eye(3)[truth] * 0.5
    probabilities = scores / scores.sum(axis=1, keepdims=True)
    table = multiclass_intervals(truth, probabilities, probabilities.argmax(axis=1), alone(90))
    each = [sk.roc_auc_score(truth == number, probabilities[:, number]) for number in range(3)]
    assert table.loc["roc_auc", "value"] == pytest.approx(np.mean(each))
    assert table.loc["accuracy", "value"] == pytest.approx((probabilities.argmax(axis=1) == truth).mean())
    assert (table["low"] < table["value"]).all()


def test_two_kinds_are_told_apart_among_their_own_films():
    truth, rng = np.arange(90) % 3, np.random.default_rng(6)
    scores = rng.random((90, 3)) + np.eye(3)[truth] * 0.3
    table = subtype_intervals(truth, scores / scores.sum(axis=1, keepdims=True), alone(90))
    kinds = truth > 0
    by_ratio = sk.roc_auc_score(truth[kinds] == 2, scores[kinds, 2] / scores[kinds, 1])
    assert table.loc["roc_auc", "value"] == pytest.approx(by_ratio)
    assert table.loc["roc_auc", "low"] < by_ratio < table.loc["roc_auc", "high"]


def test_a_better_run_is_told_from_one_that_is_the_same():
    sick, good = films(400, 7, separation=2)
    rng = np.random.default_rng(8)
    poor = np.clip(good + rng.normal(0, 0.4, 400), 0, 1)
    alike = np.clip(good + rng.normal(0, 0.01, 400), 0, 1)

    def figures_of(probability):
        return lambda weights: weighted_binary_metrics(
            sick, BinaryPredictions(probability, probability >= 0.5), weights
        )

    first, second, third = map(figures_of, (poor, good, alike))
    table = paired_difference(first, second, alone(400))
    assert table.loc["roc_auc", "means"] == "the second is better"
    assert table.loc["roc_auc", "difference"] == pytest.approx(
        sk.roc_auc_score(sick, good) - sk.roc_auc_score(sick, poor)
    )
    assert paired_difference(second, first, alone(400)).loc["roc_auc", "means"] == "the first is better"
    same = paired_difference(second, third, alone(400)).loc["roc_auc"]
    assert same["means"] == "no difference that these films can show"
    # Paired, so much narrower than the interval of either.
    either = intervals(sick, good, good >= 0.5, alone(400)).loc["roc_auc"]
    assert same["high"] - same["low"] < (either["high"] - either["low"]) / 2


def test_a_hundred_films_that_are_all_right_are_no_proof_of_perfection():
    """Clopper, Pearson 1934: of 30 right ones of 30 the interval begins at 0.025^(1/30)."""
    sick = np.array([0] * 30 + [1] * 70)
    table = intervals(sick, sick * 0.9, sick == 1, alone(100), draws=200)
    assert table.loc["specificity"].tolist() == [1, pytest.approx(0.8843, abs=1e-4), 1]
    never = intervals(sick, sick * 0.9, sick == 2, alone(100), draws=200)
    assert never.loc["sensitivity"].tolist() == [0, 0, pytest.approx(0.1157, abs=1e-4)]
    assert table.loc["roc_auc", "low"] < 1
