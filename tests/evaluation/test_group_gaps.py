import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from pneumonia.evaluation.group_gaps import group_gaps
from pneumonia.evaluation.subgroups import group_films


def gaps(groups: pd.DataFrame, right: np.ndarray, sick: np.ndarray, patients: np.ndarray | None = None, **more):
    """Films are predicted right where `right`; a probability of 0.9 or 0.1 goes with that."""
    positive = sick == right
    probability = np.where(positive, 0.9, 0.1)
    patients = np.arange(len(sick)).astype(str) if patients is None else patients
    table = group_gaps(groups, sick.astype(int), probability, positive.astype(int), patients, **more)
    return table.set_index(["by", "group", "metric"])


def test_the_gap_to_the_rest_and_its_interval_by_hand():
    sick = np.ones(400, bool)
    sick[300:] = False
    groups = pd.DataFrame({"sex": np.where(np.arange(400) % 2, "F", "M")})
    right = np.ones(400, bool)
    women = np.flatnonzero((groups["sex"] == "F") & sick)
    men = np.flatnonzero((groups["sex"] == "M") & sick)
    right[women[:60]] = False  # 90 of 150
    right[men[:30]] = False  # 120 of 150
    table = gaps(groups, right, sick, draws=4000)
    row = table.loc[("sex", "F", "sensitivity")]
    assert (row["value"], row["rest"]) == (0.6, 0.8)
    assert row["gap"] == pytest.approx(-0.2)
    # Clopper and Pearson's ends on each side, each missed once in 2 · 8 / 0.05 (Bonferroni: eight gaps have numbers)
    ends = {each: [beta.ppf(q, each + more, 151 - each - more) for q, more in ((c, 0), (1 - c, 1))]
            for each in (90, 120) for c in [0.05 / 16]}  # fmt: skip
    low = -0.2 - np.hypot(0.6 - ends[90][0], ends[120][1] - 0.8)
    high = -0.2 + np.hypot(ends[90][1] - 0.6, 0.8 - ends[120][0])
    assert [row["low"], row["high"]] == pytest.approx([low, high], abs=0.005)
    assert row["means"] == "lower than the rest"
    # All healthy ones are right, on both sides, 50 each
    row = table.loc[("sex", "F", "specificity")]
    assert row["high"] == pytest.approx(1 - (0.05 / 16) ** (1 / 50))
    # Of the men 0.9 is said of 120, 0.1 of 30 sick ones and 50 healthy ones: 0.58 in the mean, and 0.75 are sick
    assert table.loc[("sex", "M", "calibration"), "value"] == pytest.approx((120 * 0.9 + 80 * 0.1) / 200 - 0.75)


def test_the_auc_of_a_group_is_of_its_own_pairs():
    sick = np.tile([True, False], 100)
    groups = pd.DataFrame({"view": np.repeat(["AP", "PA"], 100)})
    right = np.ones(200, bool)
    right[np.flatnonzero(sick[:100])[:10]] = False
    table = gaps(groups, right, sick)
    # 10 of 50 sick AP films tie with all healthy ones: 0.8 + 0.2 / 2
    assert table.loc[("view", "AP", "roc_auc"), "value"] == pytest.approx(0.9)
    assert table.loc[("view", "AP", "roc_auc"), "rest"] == 1


def test_a_group_that_is_too_small_says_so_and_counts_patients_and_not_films():
    sick = np.tile([True, False], 60)
    groups = pd.DataFrame({"site": np.where(np.arange(120) < 30, "small", "large")})
    patients = np.where(np.arange(120) < 30, np.arange(120) // 6, np.arange(120)).astype(str)
    table = gaps(groups, np.ones(120, bool), sick, patients)
    small = table.loc[("site", "small", "sensitivity")]
    assert (small["films"], small["patients"]) == (30, 5)
    assert np.isnan(small["value"])
    assert np.isnan(small["low"])
    assert small["means"] == "too small: 5 sick patients, 10 are needed"
    assert (
        table.loc[("site", "large", "specificity"), "means"]
        == "too small: the rest has 5 healthy patients, 10 are needed"
    )
    assert table.loc[("site", "small", "calibration"), "means"] == "too small: 5 sick patients, 10 are needed"


def test_pairs_of_groups_are_looked_at_where_a_group_alone_hides_them():
    """Right for old men and young women alone: by sex and by age all is equal."""
    rng = np.random.default_rng(0)
    groups = pd.DataFrame({"sex": rng.choice(["F", "M"], 800), "age": rng.choice(["old", "young"], 800)})
    sick = rng.random(800) < 0.5
    right = (groups["sex"] == "M").to_numpy() == (groups["age"] == "old").to_numpy()
    table = gaps(groups, right | (rng.random(800) < 0.3), sick)
    assert table.loc[("sex", "F", "sensitivity"), "means"] == "no difference"
    assert table.loc[("sex and age", "M, old", "sensitivity"), "means"] == "higher than the rest"
    assert table.loc[("sex and age", "M, young", "sensitivity"), "means"] == "lower than the rest"


@pytest.mark.slow
def test_of_groups_that_do_not_differ_few_studies_find_any():
    """Twelve groups of no meaning, by four columns: without the adjustment a study in two would find one."""
    rng, found = np.random.default_rng(1), 0
    for _ in range(60):
        groups = pd.DataFrame({name: rng.choice(["a", "b", "c"], 300) for name in ("series", "size")})
        sick = rng.random(300) < 0.5
        table = gaps(groups, rng.random(300) < 0.8, sick, draws=200)
        found += table["means"].isin(["higher than the rest", "lower than the rest"]).any()
    assert found <= 7  # 5 % of 60 are 3


def test_no_calibration_is_told_of_films_of_one_class_since_it_could_not_be_right():
    sick = np.tile([True, False], 100)
    groups = pd.DataFrame({"subtype": np.where(sick, "viral", "normal"), "sex": np.repeat(["F", "M"], 100)})
    table = gaps(groups, np.ones(200, bool), sick)
    calibration = table.xs("calibration", level="metric")
    assert calibration.loc[("subtype", "normal"), "means"] == "too small: 0 sick patients, 10 are needed"
    assert calibration.loc["subtype and sex", "gap"].isna().all()
    assert calibration.loc[("sex", "F"), "means"] == "no difference"


def test_one_patient_of_many_films_counts_as_the_few_that_they_are():
    """Of ten sick patients one has a hundred films, all wrong: the share of right films says next to nothing."""
    patients = np.array([0] * 100 + [*range(1, 10)] + [*range(10, 110)] + [*range(110, 210)]).astype(str)
    sick = np.ones(309, bool)
    right = np.arange(309) >= 100
    groups = pd.DataFrame({"site": np.where(np.arange(309) < 109, "one", "other")})
    row = gaps(groups, right, sick, patients).loc[("site", "one", "sensitivity")]
    assert row["gap"] == pytest.approx(9 / 109 - 1)
    assert row["means"] == "no difference"


@pytest.mark.endurance
@pytest.mark.parametrize(("size", "distance"), [(10, 1), (30, 1), (10, 2), (20, 2), (30, 2)])
def test_a_small_group_that_does_not_differ_is_rarely_said_to(size: int, distance: int):
    """Of each class `size` patients and 300 in the rest; probabilities mean what they say, and 16 % or 2 % are wrong.

    Two groups and no more: an interval is to miss in 5 % / 8 of studies at most, 1.25 of 200.
    """
    rng, missed = (
        np.random.default_rng(size),
        dict.fromkeys(["sensitivity", "specificity", "roc_auc", "calibration"], 0),
    )
    sick = np.repeat([True, False, True, False], [size, size, 300, 300])
    groups = pd.DataFrame({"site": np.where(np.arange(len(sick)) < 2 * size, "small", "large")})
    patients = np.arange(len(sick)).astype(str)
    for _ in range(200):
        # Log odds of a variance twice their mean are those of the classes, which are equally frequent
        logit = 2 * distance**2 * np.where(sick, 1, -1) + rng.normal(0, 2 * distance, len(sick))
        probability = 1 / (1 + np.exp(-logit))
        table = group_gaps(groups, sick.astype(int), probability, probability >= 0.5, patients, draws=200)
        small = table[table["group"] == "small"].set_index("metric")
        for name in missed:
            missed[name] += small.loc[name, "means"] != "no difference"
    assert max(missed.values()) <= 5, missed


def test_films_of_an_unknown_group_are_in_no_rest_and_further_columns_are_groups():
    films = pd.DataFrame({"label": "viral", "patient": [f"p{n}" for n in range(80)], "width": 100, "height": 100})
    films["site"] = ["north", "south", "", "south"] * 20
    films["scanner"] = [f"scanner {n}" for n in range(80)]  # a name, and no group
    films["ward"] = ["a", "b"] * 40
    groups = group_films(films)
    assert groups.columns.tolist() == ["site", "ward"]
    table = gaps(groups, np.ones(80, bool), np.tile([True, False, False, True], 20))
    assert set(table.loc["site"].index.get_level_values("group")) == {"north", "south"}
    assert table.loc[("site", "north", "calibration"), "films"] == 20
