"""When not to answer, against bands and rates worked out by hand."""

import numpy as np
import pytest

from pneumonia.evaluation.abstention import choose_band, coverage_table, is_uncertain
from pneumonia.evaluation.operating_point import Scored

LOG_ODDS = np.array([-6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6.0])
PROBABILITY = 1 / (1 + np.exp(-LOG_ODDS))
SICK = np.array([0, 0, 0, 0, 0, 1, 0, 1, 1, 1, 1, 1])
"""Those on the right side of 0, but the two next to it."""
FILMS = Scored(SICK, PROBABILITY, np.arange(12).astype(str))


def share(log_odds: float) -> float:
    return float(1 / (1 + np.exp(-log_odds)))


def test_the_band_is_the_narrowest_that_is_accurate_enough_and_the_widest_that_answers_enough():
    band = (pytest.approx(share(-1.5)), pytest.approx(share(1.5)))
    assert choose_band("accuracy", 0.95, FILMS, 0.5) == band
    assert choose_band("accuracy", 10 / 12, FILMS, 0.5) == (0.5, 0.5)
    assert choose_band("coverage", 0.8, FILMS, 0.5) == band
    assert choose_band("coverage", 0.9, FILMS, 0.5) == (0.5, 0.5)
    # A threshold of log-odds -2.4 is nearest to -2 and -3: without these two, ten are answered, the next at 1.4 away.
    low, high = choose_band("coverage", 10 / 12, FILMS, share(-2.4))
    width = (0.6 + 1.4) / 2
    assert (low, high) == (pytest.approx(share(-2.4 - width)), pytest.approx(share(-2.4 + width)))


def test_where_no_band_is_accurate_enough_the_most_accurate_is_taken_and_some_films_are_answered():
    wrong = Scored(1 - SICK, PROBABILITY, FILMS.patients)
    low, high = choose_band("accuracy", 0.95, wrong, 0.5)
    assert (low, high) == (0.5, 0.5)  # the two next to the threshold are the only ones that are right
    noise = Scored(np.tile([0, 1], 50), np.linspace(0.01, 0.99, 100), np.arange(100).astype(str))
    band = choose_band("accuracy", 0.999, noise, 0.5)
    assert (~is_uncertain(noise.probability, band, np.zeros(100, bool))).sum() >= 10


def test_the_table_has_the_rates_of_the_answers_and_those_of_what_is_decided():
    unlike = np.arange(12) == 11
    table = coverage_table(FILMS, 0.5, unlike, (share(-1.5), share(1.5))).set_index("answered")
    assert table.loc["100%", ["coverage", "accuracy"]].tolist() == pytest.approx([1, 10 / 12])
    assert table.loc["80%", ["coverage", "accuracy", "sensitivity"]].tolist() == pytest.approx([10 / 12, 1, 1])
    decided = table.loc["as decided"]
    assert (decided["coverage"], decided["accuracy"]) == (pytest.approx(9 / 12), 1)
    assert table.at["100%", "sensitivity"] == pytest.approx(5 / 6)
    assert table.at["100%", "accuracy_low"] < 10 / 12 < table.at["100%", "accuracy_high"]
