"""Figures of films from elsewhere, against values worked out by hand."""

import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from pneumonia.evaluation.home import Measured
from pneumonia.evaluation.operating_point import Scored, Wanted, cross_fitted_calls
from pneumonia.validation.answers import (
    BALANCED,
    Answers,
    at_home,
    auc_within,
    contrast,
    difference,
    rates,
    shift_prevalence,
)
from pneumonia.validation.calibration_line import LARGE, weighted_calibration

ONCE = np.ones((1, 6))
SENSITIVITY = Measured(value=0.9, low=0.87, high=0.93)


def test_a_difference_from_home_has_the_interval_of_both():
    found = difference(Measured(value=0.9, low=0.87, high=0.94), Measured(value=0.8, low=0.76, high=0.83))
    # Below: 0.04 here and 0.04 above home's; above: 0.03 here and 0.03 below home's.
    expected = (-0.1, -0.1 - math.sqrt(0.04**2 + 0.04**2), -0.1 + math.sqrt(0.03**2 + 0.03**2))
    assert (found["difference"], found["low"], found["high"]) == pytest.approx(expected)


def test_the_balanced_accuracy_of_home_is_from_sensitivity_and_specificity():
    assert at_home({"sensitivity": SENSITIVITY}, BALANCED) is None
    specificity = Measured(value=0.7, low=0.66, high=0.78)
    found = at_home({"sensitivity": SENSITIVITY, "specificity": specificity}, BALANCED)
    assert (found.value, found.low, found.high) == pytest.approx(
        (0.8, 0.8 - 0.025, 0.8 + math.sqrt(0.03**2 + 0.08**2) / 2)
    )


def test_rates_of_films_that_some_choices_call_sick():
    sick, called = np.array([1.0, 1, 1, 0, 0, 0]), np.array([1.0, 0.5, 0, 0, 0, 0.4])
    answers = Answers(sick, np.array([0.9, 0.5, 0.1, 0.2, 0.3, 0.4]), called, np.arange(6).astype(str))
    found = rates(answers, called, ONCE)
    assert found["sensitivity"][0] == pytest.approx(0.5)
    assert found["specificity"][0] == pytest.approx(2.6 / 3)
    assert found[BALANCED][0] == pytest.approx((0.5 + 2.6 / 3) / 2)
    assert found["accuracy"][0] == pytest.approx(4.1 / 6)
    assert found["roc_auc"][0] == pytest.approx(6 / 9)


def test_an_auc_within_views_leaves_out_pairs_of_two_views():
    # AP: sick 0.9 and 0.8, well 0.85: one of two pairs. PA: sick 0.3, well 0.1 and 0.2: two of two. Over all 6 of 9.
    sick = np.array([1, 1, 0, 1, 0, 0])
    probability = np.array([0.9, 0.8, 0.85, 0.3, 0.1, 0.2])
    views = np.array(["AP", "AP", "AP", "PA", "PA", "PA"])
    assert auc_within(sick, probability, views, ONCE)[0] == pytest.approx(3 / 4)
    twice = np.array([[1.0, 2, 1, 1, 1, 1]])  # the sick film that is ranked wrong counts twice
    assert auc_within(sick, probability, views, twice)[0] == pytest.approx(3 / 5)


def test_a_probability_for_another_prevalence():
    # Odds of 1 where half are sick become those of one in four: 0.25.
    assert shift_prevalence(np.array([0.5, 0.8]), 0.5, 0.25) == pytest.approx([0.25, 4 / 7])
    assert shift_prevalence(np.array([0.3]), 0.4, 0.4) == pytest.approx([0.3])


def test_the_calibration_line_is_that_of_a_logistic_regression_and_counts_films_by_weight():
    rng = np.random.default_rng(0)
    log_odds = rng.normal(0, 2, 400)
    sick = (rng.uniform(size=400) < 1 / (1 + np.exp(-(0.5 * log_odds - 1)))).astype(float)
    weights = rng.integers(0, 4, (2, 400)).astype(float)
    found = weighted_calibration(sick, log_odds, weights)
    for draw in (0, 1):
        model = LogisticRegression(C=np.inf).fit(log_odds[:, None], sick, sample_weight=weights[draw])
        assert found["slope"][draw] == pytest.approx(model.coef_[0, 0], abs=1e-3)
        assert found["intercept"][draw] == pytest.approx(model.intercept_[0], abs=1e-3)
    # Half are sick, all are said to be with log-odds 2: the intercept is what makes them 0.
    flat = weighted_calibration(np.array([0.0, 1, 0, 1, 0, 1]), np.full(6, 2.0), ONCE)
    assert flat[LARGE][0] == pytest.approx(-2)


def test_films_told_apart_wholly_have_no_slope():
    found = weighted_calibration(np.array([0.0, 0, 0, 1, 1, 1]), np.array([-3.0, -2, -1, 1, 2, 3]), ONCE)
    assert np.isnan(found["slope"][0])


def test_each_film_is_called_by_thresholds_that_were_chosen_without_it():
    probability = np.array([0.1, 0.2, 0.3, 0.4, 0.35, 0.6, 0.7, 0.8, 0.9, 0.95])
    sick = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    called = cross_fitted_calls("youden", Scored(sick, probability, np.arange(10).astype(str)), Wanted(0.95, 5))
    assert called[[0, 1, 2, 8, 9]].tolist() == [0, 0, 0, 1, 1]
    # Without the film of 0.6 the gap is from 0.4 to 0.7, its middle 0.55: the film is called all the same.
    assert called[5] == 1
    few = cross_fitted_calls("youden", Scored(sick, probability, np.repeat("one", 10)), Wanted(0.95, 5))
    assert few.tolist() == sick.tolist()


def test_a_difference_between_groups_is_claimed_only_where_its_interval_does():
    rng = np.random.default_rng(1)
    sick, among = np.tile([0.0, 1.0], 100), np.repeat([True, False], 100)
    told_apart = sick + rng.normal(0, 0.1, 200)
    noise = rng.uniform(size=200)
    patients = np.arange(200).astype(str)
    worse = Answers(sick, np.where(among, noise, told_apart), sick, patients)
    assert contrast(worse, among, "here", "there").endswith(")")
    alike = Answers(sick, told_apart, sick, patients)
    assert contrast(alike, among, "here", "there").endswith("no difference that these films can show")
    assert contrast(worse, np.arange(200) < 12, "here", "there") == ""
