from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import yaml

from pneumonia.errors import UserError

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


@pytest.fixture
def recipes(tmp_path, monkeypatch):
    """The script, on 600 films of 400 patients, of two series of normal ones, a fifth of which are test films."""
    spec = spec_from_file_location("recipes", EXPERIMENTS / "recipes.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    rng = np.random.default_rng(0)
    series = rng.choice(["IM", "NORMAL2-IM", "person"], 400)
    patients = rng.permutation(np.concatenate([np.arange(400), rng.integers(0, 400, 200)]))
    kinds = np.where(patients % 2, "viral", "bacterial")
    films = pd.DataFrame(
        {
            "image": range(600),
            "file": [f"{number}.jpeg" for number in range(600)],
            "label": np.where(series[patients] == "person", kinds, "normal"),
            "class": "",
            "patient": [f"{series[number]}-{number:04}" for number in patients],
            "part": np.where(patients % 5 == 0, "test", "train"),
        }
    )
    films.to_csv(tmp_path / "split.csv", index=False)
    monkeypatch.setattr(module, "DATA", tmp_path)
    return module


@pytest.fixture
def looks():
    """Ten films that look unlike each other, of 64 pixels."""
    return np.random.default_rng(0).integers(20, 236, (10, 64, 64), dtype="uint8")


def with_grain(films: np.ndarray) -> np.ndarray:
    return films + np.random.default_rng(1).integers(0, 20, films.shape, dtype="uint8")


@pytest.mark.parametrize("held_out", ["0", "2", "NORMAL2-IM", "style"])
def test_what_is_held_out_is_of_other_patients_than_what_trains(recipes, make_params, looks, held_out):
    split = pd.read_csv(recipes.DATA / "split.csv")
    sick = (split["label"] != "normal").to_numpy()
    number = np.arange(600)
    rare = number // 10 % 5  # a normal film in ten has one of the five styles of the sick
    style = np.where(sick, number % 5, np.where(number % 10 == 0, rare, 5 + number % 5))
    images = with_grain(looks[style])
    parameters = make_params({"dataset": "kermany", "task": "multiclass"})
    films = recipes.with_validation_films(held_out, parameters, images)
    parts = films.groupby("part")["patient"].agg(set)
    assert sum(map(len, parts)) == films["patient"].nunique()  # none in two
    assert (films["class"] == films["label"]).all()
    assert set(films.loc[films["part"] == "test", "patient"].str[-4:].astype(int) % 5) == {0}
    val, series = films[films["part"] == "val"], films["patient"].str.startswith("NORMAL2")
    assert {"bacterial", "viral", "normal"} == set(val["label"])
    if held_out == "NORMAL2-IM":
        assert not (series & films["part"].isin(["train", "choose"])).any()
        assert series[val.index][val["label"] == "normal"].all()
    elif held_out == "style":
        held = recipes.of_style(films, images) & (films["label"] == "normal")
        assert held.sum() > 2
        assert set(films.loc[held, "part"]) == {"val"}
        assert set(val.loc[val["label"] == "normal", "patient"]) == set(films.loc[held, "patient"])
    else:
        assert 0.07 < len(val) / (films["part"] != "test").sum() < 0.13


def test_each_recipe_fits_the_parameters(recipes):
    for name, changes in yaml.safe_load((EXPERIMENTS / "recipes.yaml").read_text()).items():
        assert recipes.params_with(changes, seed=1).model == changes["model"], name


def test_films_elsewhere_are_compared_within_a_view(recipes, tmp_path):
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


def test_the_style_held_out_is_the_one_with_most_normal_films_among_mostly_sick_ones(recipes, looks):
    style = np.arange(600) % 10
    normal = np.where(style == 4, np.arange(600) % 50 < 10, np.where(style == 7, np.arange(600) < 100, True))
    films = pd.DataFrame({"image": range(600), "label": np.where(normal, "normal", "viral"), "part": "train"})
    films.loc[14, "part"] = "test"  # of this style, but not to be looked at
    assert set(films.index[recipes.of_style(films, with_grain(looks[style]))]) == set(range(4, 600, 10)) - {14}
    with pytest.raises(UserError, match="of none of ten styles"):
        recipes.of_style(films.assign(label="normal"), looks[style])


def test_films_of_another_size_are_refused(recipes, looks, tmp_path):
    (tmp_path / "clean").mkdir()
    np.save(tmp_path / "clean" / "images.npy", looks)
    with pytest.raises(UserError, match="is packed at 64 pixels; the recipe wants 128"):
        recipes.packed(tmp_path, 128)


def test_a_wave_lies_in_its_ring(recipes):
    """Of 128 pixels ring 11 ends at 64 waves, ring 0 at one: 64 ** (8 / 11) = 20.6 waves are ring 8."""
    across = 128 + 50 * np.cos(2 * np.pi * 20 * np.arange(128) / 128)
    assert recipes.spectrum(np.tile(across, (128, 1)).astype("uint8")).argmax() == 8
