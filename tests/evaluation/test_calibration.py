import numpy as np
import pandas as pd
import pytest

from pneumonia.evaluation.calibration import brier_score, expected_calibration_error, fit_temperature, reliability_table
from pneumonia.inference.probabilities import scale


@pytest.mark.parametrize(("classes", "temperature"), [(2, 3.0), (3, 0.7), (3, 2.0)])
def test_the_temperature_by_which_a_network_is_too_sure_is_found(classes, temperature):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, classes))
    right = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (right.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    too_sure = scale(right, 1 / temperature)
    assert fit_temperature(truth, too_sure) == pytest.approx(temperature, rel=0.05)
    assert scale(too_sure, temperature) == pytest.approx(right)


def test_films_that_are_all_right_do_not_make_the_temperature_zero():
    sure = np.tile([[0.001, 0.999]], (50, 1))
    assert fit_temperature(np.ones(50, int), sure) >= 0.5


def test_scores_by_hand():
    """Bins 0.1 to 0.2 (two films, one sick, mean 0.15) and 0.9 to 1 (two films, both sick, mean 0.95)."""
    sick, probability = np.array([0, 1, 1, 1]), np.array([0.12, 0.18, 0.9, 1.0])
    assert brier_score(sick, probability) == pytest.approx((0.12**2 + 0.82**2 + 0.1**2 + 0) / 4)
    assert expected_calibration_error(sick, probability) == pytest.approx((2 * 0.35 + 2 * 0.05) / 4)
    table = reliability_table(sick, probability)
    assert table["films"].tolist() == [2, 2]
    assert table["probability"].tolist() == pytest.approx([0.15, 0.95])
    assert table["share"].tolist() == [0.5, 1.0]
    # Wilson 1927, 1 of 2: 0.5 ± 1.96 √(1/8 + 1.96²/16) / (1 + 1.96²/2)
    assert table["low"][0] == pytest.approx(0.0945, abs=1e-4)


def test_right_probabilities_have_a_small_error():
    rng = np.random.default_rng(1)
    probability = rng.random(50_000)
    sick = rng.random(50_000) < probability
    assert expected_calibration_error(sick, probability) < 0.01
    assert expected_calibration_error(sick, np.sqrt(probability)) > 0.1
    assert isinstance(reliability_table(sick, probability), pd.DataFrame)
