import numpy as np
import pandas as pd
import pytest

from pneumonia.evaluation.encoding import encoding_report


def films(**columns) -> pd.DataFrame:
    """90 films, every other one sick, in three equal parts."""
    number = np.arange(90)
    base = {
        "file": [f"{n}.jpeg" for n in number],
        "patient": [f"{n}" for n in number],
        "class": np.where(number % 2, "pneumonia", "normal"),
        "part": np.repeat(["train", "val", "test"], 30),
        "width": 200, "height": 100, "mode": "L", "format": "JPEG", "quality": 90, "bytes": 10_000,
    }  # fmt: skip
    return pd.DataFrame(base | columns)


def report(**columns) -> pd.DataFrame:
    return encoding_report(films(**columns)).set_index("property")


def test_films_encoded_alike_give_nothing_away():
    assert (report() == 0.5).all(axis=None)


def test_a_quality_that_tells_the_class_in_training_and_not_in_test_is_shown():
    """As in the published Kermany films: 95 if normal and 75 if not, in the test films 75 for all."""
    sick, test = np.arange(90) % 2 == 1, np.repeat([False, False, True], 30)
    table = report(quality=np.where(sick | test, 75, 95))
    assert table.loc["quality"].tolist() == [1, 1, 0.5]
    assert table.loc["all of them"].tolist() == [1, 1, 0.5]
    assert table.loc["width"].tolist() == [0.5, 0.5, 0.5]


def test_an_area_by_hand_in_the_direction_that_training_films_tell():
    """Of sick training films 12 of 15 are RGB, of the others 3: of the pairs 0.8² are ranked right, 0.32 are ties."""
    sick = np.arange(90) % 2 == 1
    rgb = np.where(sick, np.arange(90) % 30 < 24, np.arange(90) % 30 >= 24)
    train = report(mode=np.where(rgb, "RGB", "L")).loc["is_colour", "train"]
    assert train == pytest.approx(0.8**2 + 0.32 / 2)
    # The other way round it tells as much.
    assert report(mode=np.where(rgb, "L", "RGB")).loc["is_colour", "train"] == pytest.approx(train)


def test_formats_without_a_quality_and_a_class_of_one_patient_are_no_mistake():
    table = report(quality="", format="PNG")
    assert table.loc["quality"].tolist() == [0.5, 0.5, 0.5]
    one = report(patient=np.where(np.arange(90) % 2, "the only one", [f"{n}" for n in range(90)]))
    assert one.loc["all of them"].isna().all()
