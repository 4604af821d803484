import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from pneumonia.errors import UserError
from pneumonia.evaluation.operating_point import Wanted
from pneumonia.evaluation.out_of_fold import choose_on, measure, out_of_fold
from pneumonia.evaluation.repeats import Training, difference, summarize


def films_that_are(right: np.ndarray, part: str = "test") -> pd.DataFrame:
    """Films of a patient each, every other sick, of which those that are `right`, bool (N,), are predicted right."""
    sick = np.arange(len(right)) % 2 == 1
    called = sick == right
    names = np.array(["normal", "pneumonia"])
    return pd.DataFrame(
        {
            "file": [f"{n:05}.png" for n in range(len(right))],
            "patient": [f"p{n}" for n in range(len(right))],
            "class": names[sick.astype(int)],
            "part": part,
            "probability": np.where(called, 0.9, 0.1),
            "predicted": names[called.astype(int)],
        }
    )


def trainings_with(accuracies: list[float], films: int = 400, folds: list[int] | None = None) -> list[Training]:
    """Trainings that are right for the first films, so many as give them these accuracies."""
    folds = folds or [0] * len(accuracies)
    return [
        Training(fold, seed, films_that_are(np.arange(films) < round(share * films)))
        for seed, (share, fold) in enumerate(zip(accuracies, folds, strict=True))
    ]


def half_width(table: pd.DataFrame, name: str = "accuracy") -> float:
    return (table.loc[name, "high"] - table.loc[name, "low"]) / 2


def test_the_mean_of_seeds_and_its_interval_by_hand():
    table = summarize(trainings_with([0.5, 0.6, 0.7]), "test", draws=4000)
    row = table.loc["accuracy"]
    assert row["mean"] == pytest.approx(0.6)
    assert row["sd"] == pytest.approx(0.1)
    # Of the 400 films half are right in all three trainings, 40 in two, 40 in one, and the rest in none.
    score = np.repeat([1, 2 / 3, 1 / 3, 0], [200, 40, 40, 120])
    of_patients, of_trainings = score.var() / 400, 0.1**2 / 3
    assert row["patients"] == pytest.approx(np.sqrt(of_patients), rel=0.04)
    assert row["trainings"] == pytest.approx(np.sqrt(of_trainings))
    assert row["larger"] == "trainings"
    total = of_patients + of_trainings
    freedom = 2 * (total / of_trainings) ** 2  # Satterthwaite, patients as if endless
    assert half_width(table) == pytest.approx(student.ppf(0.975, freedom) * np.sqrt(total), rel=0.04)


def test_folds_are_what_is_independent_and_not_their_seeds():
    table = summarize(trainings_with([0.5, 0.52, 0.6, 0.62], folds=[0, 0, 1, 1]), "test")
    # The folds' means are 0.51 and 0.61: s² / n = 0.1² / 2 / 2
    assert table.loc["accuracy", "trainings"] == pytest.approx(0.05)
    assert table.loc["accuracy", "sd"] == pytest.approx(np.std([0.5, 0.52, 0.6, 0.62], ddof=1))


def test_of_one_training_nothing_is_said_of_others():
    row = summarize(trainings_with([0.6]), "test").loc["accuracy"]
    assert np.isnan(row["sd"])
    assert row["larger"] == "unknown"
    assert row["patients"] == pytest.approx(np.sqrt(0.24 / 400), rel=0.05)


def test_what_is_right_in_every_draw_has_the_other_end_of_clopper_and_pearson():
    row = summarize(trainings_with([1.0, 1.0], films=40), "test").loc["sensitivity"]
    assert (row["mean"], row["high"]) == (1, 1)
    assert row["low"] == pytest.approx(0.025 ** (1 / 20))


def test_two_repeats_without_a_mistake_may_still_differ_in_films_that_were_not_seen():
    perfect = trainings_with([1.0, 1.0], films=40)
    row = difference(perfect, perfect, "test").loc["sensitivity"]
    # Of 20 sick patients each, Clopper and Pearson's lower end is 0.025 ** (1 / 20) = 0.832
    assert [row["low"], row["high"]] == pytest.approx([0.8316 - 1, 1 - 0.8316], abs=1e-4)
    assert row["means"] == "no difference that these films and trainings can show"


def test_a_metric_that_no_draw_has_is_not_taken_for_certain():
    never = trainings_with([1.0, 1.0], films=40)
    for each in never:
        each.films["predicted"] = "normal"  # nobody is called sick: no precision
    row = summarize(never, "test").loc["precision"]
    assert np.isnan(row["mean"])
    assert np.isnan(row["low"])


def test_a_difference_over_seeds_is_welch_s():
    one, other = [0.5, 0.6, 0.7], [0.70, 0.72]
    table = difference(trainings_with(one), trainings_with(other), "test")
    row = table.loc["accuracy"]
    assert row["difference"] == pytest.approx(0.11)
    assert row["trainings"] == pytest.approx(np.sqrt(np.var(one, ddof=1) / 3 + np.var(other, ddof=1) / 2))
    assert row["means"] == "no difference that these films and trainings can show"
    assert row["larger"] == "trainings"


def test_repeats_whose_tasks_tell_other_classes_apart_are_compared_by_pneumonia_of_any_kind():
    one, other = trainings_with([0.5, 0.6, 0.7]), trainings_with([0.5, 0.6, 0.7])
    for each in other:
        viral = each.films.index % 4 == 1
        for column in ("class", "predicted"):
            kind = each.films[column].replace("pneumonia", "bacterial")
            each.films[column] = kind.mask(viral & (kind == "bacterial"), "viral")
        for number, name in enumerate(("normal", "bacterial", "viral")):
            each.films[f"probability_{name}"] = [1 - each.films["probability"], each.films["probability"], 0][number]
    binary, crossed = difference(one, one, "test"), difference(one, other, "test")
    pd.testing.assert_frame_equal(crossed, binary)
    assert "classes/roc_auc" in difference(other, other, "test").index


def test_a_difference_over_the_same_folds_is_taken_fold_by_fold():
    folds = [0, 1, 2]
    table = difference(
        trainings_with([0.5, 0.6, 0.7], folds=folds), trainings_with([0.56, 0.65, 0.77], folds=folds), "test"
    )
    # The differences are 0.06, 0.05 and 0.07
    assert table.loc["accuracy", "trainings"] == pytest.approx(0.01 / np.sqrt(3))
    assert table.loc["accuracy", "larger"] == "patients"
    assert table.loc["accuracy", "means"] == "the second is better"


def test_a_single_training_is_taken_to_vary_as_the_others_do():
    table = difference(trainings_with([0.55]), trainings_with([0.5, 0.6, 0.7]), "test")
    assert table.loc["accuracy", "trainings"] == pytest.approx(0.1 * np.sqrt(1 + 1 / 3))
    with pytest.raises(UserError, match="each of the two is a single training"):
        difference(trainings_with([0.55]), trainings_with([0.6]), "test")


def test_other_films_are_told():
    one, other = trainings_with([0.5, 0.6]), trainings_with([0.5, 0.6], films=300)
    with pytest.raises(UserError, match="of their test films, 400 and 300, 300 are the same"):
        difference(one, other, "test")
    folds = [Training(fold, 0, films_that_are(np.ones(20 + fold, bool), "val")) for fold in (0, 1)]
    with pytest.raises(UserError, match="folds validate on other films each, so --part may be test"):
        summarize(folds, "val")


def drawn_study(rng: np.random.Generator) -> list[Training]:
    """Three trainings on 200 films: right with a probability of 0.8, which varies with the film and the training."""
    film, training = rng.normal(0, 0.1, 200), rng.normal(0, 0.08, 3)
    return [
        Training(0, seed, films_that_are(rng.random(200) < 0.8 + film + shift)) for seed, shift in enumerate(training)
    ]


def bootstrap_of_seeds(values: np.ndarray, patients: float, rng: np.random.Generator) -> tuple[float, float]:
    """What one would get by drawing the seeds again."""
    drawn = values[rng.integers(0, len(values), (1000, len(values)))].mean(axis=1) + rng.normal(0, patients, 1000)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


@pytest.mark.slow
def test_the_interval_of_three_seeds_holds_the_truth_where_a_bootstrap_of_seeds_does_not():
    rng = np.random.default_rng(0)
    held, held_by_bootstrap, studies = 0, 0, 300
    for _ in range(studies):
        trainings = drawn_study(rng)
        row = summarize(trainings, "test", draws=200).loc["accuracy"]
        held += row["low"] <= 0.8 <= row["high"]
        values = np.array([(each.films["class"] == each.films["predicted"]).mean() for each in trainings])
        low, high = bootstrap_of_seeds(values, row["patients"], rng)
        held_by_bootstrap += low <= 0.8 <= high
    print(f"held in {held / studies:.3f}, a bootstrap of seeds in {held_by_bootstrap / studies:.3f}")
    assert 0.91 <= held / studies <= 0.99
    assert held_by_bootstrap / studies < 0.9


def of_fold(fold: int, seed: int, probability: list[float], temperature: float | None = 1.0) -> Training:
    """Two films of two patients validate, one of each class."""
    names = [f"{fold}-{name}" for name in ("well", "sick")]
    films = pd.DataFrame({"file": names, "patient": names, "label": ["normal", "viral"]})
    films["class"], films["part"], films["probability"] = ["normal", "pneumonia"], "val", probability
    test = films.assign(file="t", part="test")
    return Training(fold, seed, pd.concat([films, test]), temperature)


def sharper(probability: float) -> float:
    """At the lowest temperature that may be, 0.5, to which folds lead whose films are all told apart."""
    return probability**2 / (probability**2 + (1 - probability) ** 2)


def test_out_of_fold_predictions_are_one_table_of_all_films_with_the_mean_over_seeds():
    trainings = [
        of_fold(fold, seed, [0.1 + fold / 10 + seed / 5, 0.6 + seed / 5]) for fold in (0, 1, 2) for seed in (0, 1)
    ]
    table = out_of_fold(trainings)
    assert table["file"].tolist() == ["0-sick", "0-well", "1-sick", "1-well", "2-sick", "2-well"]
    assert table["fold"].tolist() == [0, 0, 1, 1, 2, 2]
    sick, well = [[sharper(p) for p in each] for each in ([0.6, 0.8], [0.1, 0.3, 0.2, 0.4, 0.3, 0.5])]
    means = [np.mean(each) for each in (sick, well[:2], sick, well[2:4], sick, well[4:])]
    assert table["probability"].tolist() == pytest.approx(means, abs=1e-4)
    later = [sick[1], well[1], sick[1], well[3], sick[1], well[5]]
    assert table["seed_1"].tolist() == pytest.approx(later, abs=1e-4)
    # Over the films of both seeds, the sick have 0.6 and 0.8, the healthy 0.5 at most: the threshold lies between.
    choice = choose_on(table, "sensitivity", Wanted(0.95, 5), cross_fit=False)
    assert choice.threshold == pytest.approx((sharper(0.6) + 0.5) / 2, abs=1e-4)
    assert (choice.sensitivity, choice.specificity) == (1, 1)
    figures = measure(table, choice, draws=200)
    assert figures["roc_auc"] == 1
    squares = [(1 - p) ** 2 for p in sick * 3] + [p**2 for p in well]
    assert figures["brier"] == pytest.approx(sum(squares) / 12, abs=1e-4)
    assert "temperature" not in figures


def test_a_fold_is_scaled_by_what_fits_the_others_and_not_by_its_own_temperature():
    """The network of fold 0 gives odds of 9, which its own temperature of 0.5 made 81. Those of fold 1 say odds of 4
    where two of three are sick, odds of 2: their temperature is 2, and 9 to the power of a half is 3.
    """
    one = of_fold(0, 0, [1 / 82, 81 / 82], temperature=0.5)
    other = of_fold(1, 0, [0.8, 0.8], temperature=1.0)
    third = other.films.iloc[[1]].assign(file="1-third", patient="1-third")
    other = Training(1, 0, pd.concat([other.films, third]), 1.0)
    table = out_of_fold([one, other]).set_index("file")
    assert table.loc["0-sick", "probability"] == pytest.approx(0.75, abs=1e-4)
    assert table.loc["0-well", "probability"] == pytest.approx(0.25, abs=1e-4)
    with pytest.raises(UserError, match="the run of fold 1 does not tell its temperature"):
        out_of_fold([one, of_fold(1, 0, [0.2, 0.8], temperature=None)])


def test_a_film_that_validates_two_folds_is_told():
    with pytest.raises(UserError, match="0-sick validates two folds of one seed"):
        out_of_fold([of_fold(0, 0, [0.1, 0.9]), of_fold(0, 0, [0.1, 0.9])])
