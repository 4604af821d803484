from pathlib import Path

import held_out
import keras
import numpy as np
import pandas as pd
import pytest
import recipes
import yaml

from pneumonia.errors import UserError

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


@pytest.fixture
def films():
    """600 films of 400 patients, of two series of normal ones, a fifth of which are test films."""
    rng = np.random.default_rng(0)
    series = rng.choice(["IM", "NORMAL2-IM", "person"], 400)
    patients = rng.permutation(np.concatenate([np.arange(400), rng.integers(0, 400, 200)]))
    kinds = np.where(patients % 2, "viral", "bacterial")
    return pd.DataFrame(
        {
            "image": range(600),
            "file": [f"{number}.jpeg" for number in range(600)],
            "label": np.where(series[patients] == "person", kinds, "normal"),
            "patient": [f"{series[number]}-{number:04}" for number in patients],
            "part": np.where(patients % 5 == 0, "test", "train"),
        }
    )


@pytest.fixture
def looks():
    """Ten films that look unlike each other, of 64 pixels."""
    return np.random.default_rng(0).integers(20, 236, (10, 64, 64), dtype="uint8")


def with_grain(films: np.ndarray) -> np.ndarray:
    return films + np.random.default_rng(1).integers(0, 20, films.shape, dtype="uint8")


@pytest.mark.parametrize("what", ["0", "2", "NORMAL2-IM", "style-0", "style-2"])
def test_what_is_held_out_is_of_other_patients_than_what_trains(films, looks, what):
    normal, number = films["label"] == "normal", np.arange(600)
    # A normal film in ten has one of the five styles of the sick.
    style = np.where(normal, np.where(number % 10 == 0, number // 10 % 5, 5 + number % 5), number % 5)
    images = with_grain(looks[style])
    part = held_out.parts(what, films, images)
    patients = films.groupby(part)["patient"].agg(set)
    assert sum(map(len, patients)) == films["patient"].nunique()  # none in two
    assert (part == "test").equals(films["part"] == "test")
    val, series = films[part == "val"], films["patient"].str.startswith("NORMAL2")
    assert {"bacterial", "viral", "normal"} == set(val["label"])
    if what == "NORMAL2-IM":
        assert not (series & part.isin(["train", "choose"])).any()
        assert series[val.index][val["label"] == "normal"].all()
    elif what.startswith("style"):
        rare = held_out.rare_in_style(films, images, int(what[-1]))
        assert normal[rare].all()
        assert rare.sum() > 2
        assert set(part[rare]) == {"val"}
        assert set(val.loc[val["label"] == "normal", "patient"]) == set(films.loc[rare, "patient"])
    else:
        assert 0.07 < len(val) / (part != "test").sum() < 0.13


def test_the_sick_films_of_a_mostly_normal_style_are_scored_with_the_normal_ones_of_a_fold(films, looks):
    sick, number = films["label"] != "normal", np.arange(600)
    rare = sick & (number % 20 == 0) & (films["part"] != "test")
    # Five styles each, but the rare ones look as a fifth of the normal ones do.
    images = with_grain(looks[np.where(sick & (number % 20 != 0), number % 5, 5 + number % 5)])
    part, fold = held_out.parts("style-0", films, images), held_out.parts("0", films, images)
    unseen = sick & films["patient"].isin(films.loc[rare, "patient"])
    assert unseen.sum() >= rare.sum() > 2
    assert ((part == "val") & sick).equals(unseen)
    assert ((part == "val") & ~sick).equals((fold == "val") & ~sick)
    assert set(part[(fold == "val") & sick & ~unseen]) == {"train"}


def test_each_recipe_fits_the_parameters():
    for name, changes in yaml.safe_load((EXPERIMENTS / "recipes.yaml").read_text()).items():
        assert recipes.params_with(changes, seed=1).model == changes["model"], name


def test_films_elsewhere_are_compared_within_a_view(tmp_path):
    """AP films are all brighter, so one AUC of all would be 7 / 9; within the views they are 1 and 1 / 2."""
    rows = [  # label, view, part, grey value
        ("normal", "AP", "train", 150),
        ("opacity", "AP", "val", 200),
        ("opacity", "AP", "train", 210),
        ("normal", "PA", "train", 50),
        ("normal", "PA", "val", 100),
        ("opacity", "PA", "train", 70),
        ("not_normal", "PA", "train", 255),
        ("normal", "PA", "test", 255),
    ]
    films = pd.DataFrame(rows, columns=["label", "view", "part", "grey"]).rename_axis("image").reset_index()
    films["file"] = films["image"].astype(str)
    (tmp_path / "clean").mkdir()
    images = np.full((8, 8, 8), films["grey"].to_numpy()[:, None, None], "uint8")
    films[["file", "view"]].to_csv(tmp_path / "clean" / "index.csv", index=False)
    films[["image", "file", "label", "part"]].to_csv(tmp_path / "split.csv", index=False)
    film = keras.Input((8, 8, 1))
    brightness = keras.layers.Rescaling(1 / 255)(keras.layers.GlobalAveragePooling2D()(film))
    auc = recipes.auc_elsewhere(keras.Model(film, brightness), tmp_path, images, ["normal", "pneumonia"])
    assert auc == 0.75


def test_what_is_rare_in_a_style_may_be_normal_or_sick(looks):
    """Of sixty films each in style 4 twelve are normal, in style 7 ten sick, in style 2 twenty, all others normal."""
    number = np.arange(600)
    style, turn = number % 10, number // 10
    normal = np.where(style == 4, turn < 12, np.where(style == 7, turn >= 10, np.where(style == 2, turn >= 20, True)))
    films = pd.DataFrame({"image": number, "label": np.where(normal, "normal", "viral"), "part": "train"})
    films.loc[14, "part"] = "test"  # of style 4, but not to be looked at
    images = with_grain(looks[style])
    assert set(films.index[held_out.rare_in_style(films, images, 0)]) == set(range(4, 124, 10)) - {14}
    assert set(films.index[held_out.rare_in_style(films, images, 1)]) == set(range(7, 107, 10))
    with pytest.raises(UserError, match="held out is style-2, but of 10 styles 2 are lopsided"):
        held_out.rare_in_style(films, images, 2)


def test_films_of_another_size_are_refused(looks, tmp_path):
    (tmp_path / "clean").mkdir()
    np.save(tmp_path / "clean" / "images.npy", looks)
    with pytest.raises(UserError, match="is packed at 64 pixels; the recipe wants 128"):
        recipes.packed(tmp_path, 128)


def test_a_wave_lies_in_its_ring():
    """Of 128 pixels ring 11 ends at 64 waves, ring 0 at one: 64 ** (8 / 11) = 20.6 waves are ring 8."""
    across = 128 + 50 * np.cos(2 * np.pi * 20 * np.arange(128) / 128)
    assert held_out.spectrum(np.tile(across, (128, 1)).astype("uint8")).argmax() == 8
