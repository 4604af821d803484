import numpy as np
import pytest

from pneumonia.evaluation.clinical_use import THRESHOLDS, decision_curve, predictive_values, prior_of, shift
from pneumonia.evaluation.operating_point import Scored


def scored(sick: list[float], well: list[float]) -> Scored:
    truth = np.array([1] * len(sick) + [0] * len(well))
    return Scored(truth, np.array(sick + well), np.arange(len(truth)).astype(str))


def test_predictive_values_are_bayes_rule_at_the_prevalence_that_is_asked_about():
    films = scored([0.9] * 90 + [0.1] * 10, [0.9] * 20 + [0.1] * 80)
    table = predictive_values(films, films.probability >= 0.5, [0.02, 0.5], draws=1000).set_index(
        ["prevalence", "metric"]
    )
    # Of 1,000 people 20 are sick, 18 of them found, and 196 of the 980 others are called sick
    assert table.loc[(0.02, "ppv"), "value"] == pytest.approx(18 / (18 + 196))
    assert table.loc[(0.02, "npv"), "value"] == pytest.approx(784 / (784 + 2))
    assert table.loc[(0.5, "ppv"), "value"] == pytest.approx(0.9 / 1.1)
    low, high = table.loc[(0.02, "ppv"), ["low", "high"]]
    # The delta method: Var ln odds(ppv) = (1 - 0.9) / (100 * 0.9) + 0.8 / (100 * 0.2)
    error = np.sqrt(0.1 / 90 + 0.8 / 20)
    odds = np.exp(np.log(18 / 196) + 1.96 * error * np.array([-1, 1]))
    assert [low, high] == pytest.approx(list(odds / (1 + odds)), abs=0.01)


def test_no_false_alarm_among_few_films_is_no_certainty():
    films = scored([0.9] * 30, [0.1] * 30)
    table = predictive_values(films, films.probability >= 0.5, [0.02], draws=200).set_index("metric")
    assert table.loc["ppv", ["value", "high"]].tolist() == [1, 1]
    # Clopper and Pearson: of 30 without a false alarm, specificity may be 0.025^(1/30) = 0.884
    assert table.loc["ppv", "low"] == pytest.approx(0.02 / (0.02 + 0.98 * (1 - 0.025 ** (1 / 30))))
    assert table.loc["npv", "low"] == pytest.approx(0.98 / (0.98 + 0.02 * (1 - 0.025 ** (1 / 30))))


def test_probabilities_shift_with_the_prevalence_as_odds_do():
    assert shift(np.array([0.5, 0.0, 1.0]), 0.5, 0.1).tolist() == pytest.approx([0.1, 0, 1])
    # Odds of 4, with a ninth of the prior's: 4 / 9
    assert shift(np.array([0.8]), 0.5, 0.1)[0] == pytest.approx(4 / 13)
    assert shift(np.array([0.3]), 0.2, 0.2)[0] == pytest.approx(0.3)


def test_the_prior_is_what_the_probabilities_hold_at_and_not_the_share_of_the_films():
    """Odds of 4 and 1/4 are right where half is sick. Of these films a fifth is: 16 of 20 sick ones have the higher,
    and 16 of 80 others. There they are odds of 1 and 1/16: 32 / 2 + 68 / 17 = 20.
    """
    films = scored([0.8] * 16 + [0.2] * 4, [0.8] * 16 + [0.2] * 64)
    assert prior_of(films) == pytest.approx(0.5)
    certain = scored([1.0] * 10, [0.0] * 9 + [1.0])  # surer than is right: of the sick more are expected than there are
    assert 0.5 < prior_of(certain) < 1


def test_net_benefit_is_that_of_vickers_and_elkin():
    films = scored([0.9] * 80 + [0.15] * 20, [0.3] * 10 + [0.05] * 90)
    table = decision_curve(films, 0.5, [0.5], draws=500).set_index("threshold")
    row = table.loc[THRESHOLDS[np.isclose(THRESHOLDS, 0.2)][0]]
    # From 0.2 on 80 of 100 sick and 10 of 100 healthy ones are treated: 0.4 - 0.05 * 0.25
    assert row["model"] == pytest.approx(0.4 - 0.05 * 0.25)
    assert row["treat_all"] == pytest.approx(0.5 - 0.5 * 0.25)
    # Var: 0.5² (0.8 · 0.2 + 0.25² · 0.1 · 0.9) / 100
    error = 0.5 * np.sqrt((0.16 + 0.0625 * 0.09) / 100)
    assert [row["low"], row["high"]] == pytest.approx(
        [row["model"] - 1.96 * error, row["model"] + 1.96 * error], abs=0.01
    )


def test_net_benefit_without_a_false_alarm_among_few_films_is_no_certainty():
    films = scored([0.9] * 30, [0.1] * 30)
    table = decision_curve(films, 0.5, [0.5], draws=200).set_index("threshold")
    row = table.loc[THRESHOLDS[np.isclose(THRESHOLDS, 0.5)][0]]
    # Of 30 none is missed and none called: each share may be 1 - 0.025^(1/30) = 0.1157 off, and both make it worse
    assert [row["model"], row["high"]] == [0.5, 0.5]
    assert row["low"] == pytest.approx(0.5 - 0.5 * 0.1157 * np.sqrt(2), abs=1e-4)
    # From 0.95 on nobody is treated: a sick one more would be a gain, a healthy one more a loss, weighted by 19
    row = table.loc[THRESHOLDS[np.isclose(THRESHOLDS, 0.95)][0]]
    assert [row["low"], row["high"]] == pytest.approx([-0.5 * 19 * 0.1157, 0.5 * 0.1157], abs=1e-3)


def test_at_another_prevalence_the_probabilities_are_shifted_first():
    films = scored([0.9] * 100, [0.5] * 100)
    table = decision_curve(films, 0.5, [0.1], draws=200)
    at = table.set_index(table["threshold"].round(2))["model"]
    # At one in ten 0.5 is 0.1 and 0.9 is 0.5: from 0.15 on only the sick are treated
    assert at[0.05] == pytest.approx(0.1 - 0.9 * 0.05 / 0.95)
    assert at[0.15] == pytest.approx(0.1)
    assert at[0.55] == 0
