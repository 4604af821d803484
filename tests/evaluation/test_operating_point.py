import numpy as np
import pytest

from pneumonia.evaluation.operating_point import Scored, Wanted, choose, choose_cross_fitted, compare_choices

WANTED = Wanted(sensitivity=0.75, cost_of_miss=5)
SICK = np.array([0, 0, 0, 1, 0, 1, 1, 1])
PROBABILITY = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])


def films(sick, probability, patients=None) -> Scored:
    patients = np.arange(len(sick)).astype(str) if patients is None else patients
    return Scored(np.asarray(sick), np.asarray(probability), patients)


@pytest.mark.parametrize(
    ("rule", "wanted", "threshold", "sensitivity", "specificity"),
    [
        # 0.35 finds all and rejects 3 of 4; 0.55 misses one and rejects all: equally good, so the lower.
        ("youden", WANTED, 0.35, 1.0, 0.75),
        ("sensitivity", WANTED, 0.55, 0.75, 1.0),
        ("sensitivity", Wanted(0.76, 5), 0.35, 1.0, 0.75),
        ("cost", WANTED, 0.35, 1.0, 0.75),  # a false alarm, against 5 for the miss
        ("cost", Wanted(0.75, 0.5), 0.55, 0.75, 1.0),
    ],
)
def test_each_rule_by_hand(rule, wanted, threshold, sensitivity, specificity):
    choice = choose(rule, films(SICK, PROBABILITY), wanted)
    assert (choice.threshold, choice.sensitivity, choice.specificity) == pytest.approx(
        (threshold, sensitivity, specificity)
    )


def test_films_that_are_told_apart_leave_the_threshold_in_the_middle():
    assert choose("youden", films([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]), WANTED).threshold == pytest.approx(0.5)
    # All that are sick must be found, and the lowest of them is the lowest of all.
    assert choose("sensitivity", films([1, 0, 1], [0.2, 0.5, 0.9]), Wanted(1 - 1e-9, 1)).threshold == pytest.approx(0.1)


def test_a_cross_fitted_estimate_is_not_flattered():
    """Where the probability means nothing, the best threshold on the films seems to: held out it does not."""
    gains = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        noise = films(rng.permutation(np.arange(60) % 2), rng.random(60))
        whole, fitted = choose("youden", noise, WANTED), choose_cross_fitted("youden", noise, WANTED)
        gains.append([whole.sensitivity + whole.specificity - 1, fitted.sensitivity + fitted.specificity - 1])
    whole, fitted = np.mean(gains, axis=0)
    assert whole > 0.1
    assert abs(fitted) < 0.08


def test_patients_stay_whole_where_the_choice_is_held_out():
    """A patient's ten films have one probability; if the folds split them, the held-out ones would be known."""
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(12), 10).astype(str)
    scored = films(np.repeat(rng.permutation(np.arange(12) % 2), 10), np.repeat(rng.random(12), 10), patients)
    whole, fitted = choose("youden", scored, WANTED), choose_cross_fitted("youden", scored, WANTED)
    assert fitted.sensitivity + fitted.specificity < whole.sensitivity + whole.specificity - 0.1


def test_with_too_few_patients_to_hold_out_it_is_chosen_on_all():
    few = films([0, 1, 1, 1], [0.1, 0.7, 0.8, 0.9])
    assert choose_cross_fitted("youden", few, WANTED) == choose("youden", few, WANTED)


def test_what_each_choice_gives_on_test_films():
    val, test = films(SICK, PROBABILITY), films([0, 0, 1, 1], [0.2, 0.36, 0.4, 0.9])
    stressed = films(SICK, np.minimum(PROBABILITY + 0.1, 1))
    table = compare_choices(val, stressed, test, WANTED).set_index(["rule", "chosen_on"])
    assert len(table) == 10
    half = table.loc[("0.5", "nothing")]
    assert (half["val_sensitivity"], half["test_sensitivity"], half["test_specificity"]) == (0.75, 0.5, 1.0)
    youden = table.loc[("youden", "all validation films")]
    assert youden["threshold"] == pytest.approx(0.35)
    assert (youden["test_sensitivity"], youden["test_specificity"], youden["test_accuracy"]) == (1.0, 0.5, 0.75)
    # All 0.1 surer, so is the threshold.
    shifted = table.loc[("sensitivity", "stressed, cross-fitted"), "threshold"]
    assert shifted == pytest.approx(table.loc[("sensitivity", "cross-fitted"), "threshold"] + 0.1)
