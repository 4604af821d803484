import numpy as np
import pandas as pd
import pytest

from pneumonia.evaluation.subgroups import group_films, metrics_by_group


def films(**columns) -> pd.DataFrame:
    base = {"label": "normal", "patient": [f"IM-{n:04}" for n in range(6)], "width": 100, "height": 100}
    return pd.DataFrame(base | columns)


def test_films_are_grouped_by_subtype_series_size_and_age():
    table = films(
        label=["normal", "normal", "viral", "viral", "bacterial", "bacterial"],
        patient=[
            "IM-0001",
            "NORMAL2-IM-0001",
            "person1_virus",
            "person22_virus",
            "person3_bacteria",
            "person4_bacteria",
        ],
        width=[100, 200, 300, 400, 500, 600],
        height=[100, 200, 300, 400, 500, 600],
        age=["1", "2", "3", "4", "", "90"],
        view=["AP", "AP", "PA", "PA", "PA", "AP"],
    )
    groups = group_films(table)
    assert groups["subtype"].tolist() == table["label"].tolist()
    assert groups["series"].tolist() == [
        "IM-", "NORMAL2-IM-", "person_virus", "person_virus", "person_bacteria", "person_bacteria"
    ]  # fmt: skip
    assert groups["size"].tolist() == ["100 to 200 px"] * 2 + ["300 to 400 px"] * 2 + ["500 to 600 px"] * 2
    assert groups["view"].tolist() == table["view"].tolist()
    assert groups["age"].tolist()[:4] == ["1 to 2 years", "1 to 2 years", "3 to 3 years", "4 to 90 years"]
    assert pd.isna(groups["age"][4])


def test_what_tells_no_groups_apart_is_left_out():
    assert group_films(films()).columns.tolist() == []
    assert group_films(films(view="", sex="", age="")).columns.tolist() == []
    names = [f"{chr(97 + n)}-film" for n in range(24)]
    many = pd.DataFrame({"label": list("abcdef") * 4, "patient": names, "width": 100, "height": 100})
    assert group_films(many).columns.tolist() == ["subtype"]


def test_the_worst_group_of_each_kind_comes_first():
    groups = pd.DataFrame({"subtype": ["normal"] * 4 + ["viral"] * 4 + ["bacterial"] * 2})
    sick = np.array([False] * 4 + [True] * 6)
    called = np.array([False, False, False, True, True, True, False, False, True, True])
    table = metrics_by_group(groups, sick, called, sick == called)
    assert table["group"].tolist() == ["viral", "normal", "bacterial"]
    assert table["right"].tolist() == [0.5, 0.75, 1.0]
    assert table["predicted_sick"].tolist() == [2, 1, 2]
    # Wilson 1927: for 2 of 4, (0.5 + z²/8 ± z √(0.25/4 + z²/64)) / (1 + z²/4) with z = 1.96
    assert table["low"][0] == pytest.approx(0.1500, abs=1e-4)
    assert table["high"][0] == pytest.approx(0.8500, abs=1e-4)


def test_what_the_users_table_tells_is_a_group_where_it_has_few_values_or_numbers():
    number = [str(value) for value in range(15)]
    table = pd.DataFrame(
        {
            "label": "normal", "patient": "p", "width": 100, "height": 100, "site": ["a", "b", "b"] * 5,
            "scanner": ["X", "", "Y"] * 5, "dose": number, "name": [f"n{value}" for value in number],
        }
    )  # fmt: skip
    groups = group_films(table)
    assert groups.columns.tolist() == ["site", "scanner", "dose"]
    assert groups["dose"].tolist() == ["0 to 4"] * 5 + ["5 to 9"] * 5 + ["10 to 14"] * 5
