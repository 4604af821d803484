"""Networks that point at a bright spot, or at all else, and boxes around the spots."""

import keras
import numpy as np
import pandas as pd
import pytest

from pneumonia.evaluation.parts import Part
from pneumonia.evaluation.pointing import EACH_LUNG, HEAT_MAP, USUAL_PLACE, guesses, hits, pointing_game
from pneumonia.evaluation.randomised_maps import cascade, randomised_similarity
from pneumonia.evaluation.report.heat_maps import heat_map_sections, what_follows, write_heat_maps
from pneumonia.inference.gradcam import grad_cam

SIZE = 32


def box(*sides: float) -> np.ndarray:
    return np.array([sides], float)


def network(sign: float) -> keras.Model:
    """Its evidence is the brightness of a place times `sign`, and at -1 the darkness."""
    film = keras.Input((SIZE, SIZE, 1))
    signed = keras.layers.Conv2D(1, 1, name="signed")(film)
    grey = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1, 255 * (sign < 0))(signed))
    model = keras.Model(film, keras.layers.Dense(1, "sigmoid", name="probability")(grey))
    model.get_layer("signed").set_weights([np.full((1, 1, 1, 1), sign), np.full(1, 255.0 * (sign < 0))])
    model.get_layer("probability").set_weights([np.ones((1, 1)), np.zeros(1)])
    return model


def learner() -> keras.Model:
    """Six maps that are all the darkness about a place, three layers with weights."""
    film = keras.Input((SIZE, SIZE, 1))
    maps = keras.layers.Conv2D(6, 5, activation="relu", name="first")(keras.layers.Rescaling(1 / 255)(film))
    mean = keras.layers.GlobalAveragePooling2D()(keras.layers.BatchNormalization(name="norm")(maps))
    model = keras.Model(film, keras.layers.Dense(1, "sigmoid", name="probability")(mean))
    model.get_layer("first").set_weights([np.full((5, 5, 1, 6), -1 / 25), np.ones(6)])
    model.get_layer("probability").set_weights([np.ones((6, 1)), np.zeros(1)])
    return model


def learns_no_map() -> keras.Model:
    """Its evidence is the brightness of a place, whatever its only weights are, which begin at 1."""
    film = keras.Input((SIZE, SIZE, 1))
    mean = keras.layers.GlobalAveragePooling2D()(keras.layers.AveragePooling2D(4)(film))
    return keras.Model(film, keras.layers.Dense(1, "sigmoid", name="probability", kernel_initializer="ones")(mean))


def spotted(number: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Films with a bright spot each, at a place of its own, and a box around it."""
    rng = np.random.default_rng(0)
    films, boxes = rng.integers(40, 80, (number, SIZE, SIZE), dtype=np.uint8), []
    for film, (x, y) in zip(films, rng.integers(0, SIZE - 6, (number, 2)), strict=True):
        film[y + 1 : y + 5, x + 1 : x + 5] += 120
        boxes.append(box(x + 1, y + 1, 4, 4))
    return films, boxes


def test_the_hottest_place_counts_by_the_share_of_it_that_lies_in_a_box():
    heat = np.zeros((5, 4, 4))
    heat[0, 1, 2] = 1  # in the box, whose left edge is that of column 2
    heat[1, 1, 1] = 1  # beside it
    heat[2, 1, 1] = heat[2, 1, 2] = heat[2, 0, 0] = heat[2, 3, 3] = 1  # one of four hottest places is in it
    heat[3, 1, 2], heat[3, 3, 0] = 0.9, 1  # the second hottest is in it
    boxes = [box(2, 0, 1, 2)] * 5  # the last map is empty
    assert hits(heat, boxes).tolist() == [1, 0, 0.25, 0, 0]
    assert hits(heat[:1], [np.concatenate([box(0, 3, 1, 1), box(2, 1, 1, 1)])]).tolist() == [1]  # any of two boxes


def test_guesses_point_where_most_training_films_have_a_box_and_into_both_lungs():
    known = [box(0, 0, 2, 2), box(1, 1, 2, 2), box(5, 4, 2, 2)]
    guess = guesses(known, 8)
    assert np.argwhere(guess[USUAL_PLACE] == guess[USUAL_PLACE].max()).tolist() == [[1, 1]]
    assert np.argwhere(guess[EACH_LUNG]).tolist() == [[1, 1], [5, 6]]  # centres (1.5, 1.5) and (6, 5)
    assert hits(guess[EACH_LUNG][None], [box(4, 4, 4, 4)]).tolist() == [0.5]


def test_the_game_compares_on_the_same_patients():
    hit = {HEAT_MAP: np.array([1.0] * 30 + [0] * 10), "a guess": np.array([0.5] * 40)}
    patients = np.array([f"p{number // 2}" for number in range(40)])
    table = pointing_game(hit, patients, draws=2000).set_index("pointed_by")
    heat_map, guess = table.loc[HEAT_MAP], table.loc["a guess"]
    assert (heat_map["films"], heat_map["patients"], heat_map["hit"], guess["hit"]) == (40, 20, 0.75, 0.5)
    # 15 of 20 patients are hit: by the binomial distribution's quantiles 11 to 18.
    assert (heat_map["low"], heat_map["high"]) == pytest.approx((0.55, 0.9), abs=0.051)
    assert (guess["heat_map_more"], guess["more_low"]) == pytest.approx((0.25, heat_map["low"] - 0.5))
    assert guess["means"] == "the heat map hits more"


def written(folder, sign: float, number: int = 40) -> str:
    """What the page says of `network(sign)`, from twice as many spotted films: one half trained."""
    films, boxes = spotted(2 * number)
    (folder / "clean").mkdir()
    names = pd.DataFrame({"file": [f"{row}.png" for row in range(2 * number)]})
    names.to_csv(folder / "clean" / "index.csv", index=False)
    table = pd.DataFrame(np.concatenate(boxes), columns=["x", "y", "width", "height"])
    names.join(table).to_csv(folder / "clean" / "boxes.csv", index=False)
    rows = np.arange(number, 2 * number)
    test = pd.DataFrame({"image": rows, "file": names["file"][rows], "patient": rows.astype(str)})
    part = Part(test, 1, np.ones(number, int), np.empty(0), np.empty(0), {})
    write_heat_maps(network(sign), films, part, np.arange(number), folder, 300, folder)
    [section] = heat_map_sections(folder)
    return section.text


def test_maps_that_point_are_told_from_maps_that_do_not(tmp_path):
    (tmp_path / "points").mkdir()
    (tmp_path / "does-not").mkdir()
    said = written(tmp_path / "points", 1)
    assert "lies in a box in 100 % (91 to 100) of 40 test films" in said
    assert "the maps say more than where opacities usually are" in said
    said = written(tmp_path / "does-not", -1)
    assert "lies in a box in 0 % (0 to 9) of 40 test films" in said
    assert "than one who has not seen the film" in said
    assert said.endswith("Do not read heat maps as where the opacity is.")


def test_of_few_patients_nothing_is_said(tmp_path):
    assert written(tmp_path, 1, number=9).startswith("Test films of 9 patients have boxes: too few")


def test_layers_are_drawn_anew_from_the_output_down_and_the_network_stays_as_it_was():
    model = learner()
    before = [weight.copy() for weight in model.get_weights()]
    new: dict[int, dict[str, np.ndarray]] = {}
    for depth, copy in cascade(model, [1, 3], seed=0):
        new[depth] = {name: copy.get_layer(name).get_weights()[0] for name in ("first", "probability")}
    trained = {name: model.get_layer(name).get_weights()[0] for name in ("first", "probability")}
    assert np.array_equal(new[1]["first"], trained["first"])
    assert not np.isclose(new[1]["probability"], trained["probability"]).any()
    assert not np.isclose(new[3]["first"], trained["first"]).any()
    assert np.array_equal(new[1]["probability"], new[3]["probability"])
    assert all(np.array_equal(*pair) for pair in zip(before, model.get_weights(), strict=True))


def test_a_map_is_as_like_itself_as_its_layers_are_what_they_were():
    films = spotted(6)[0][..., None]
    model = learner()
    table = randomised_similarity(model, films, grad_cam(model, films), healthy=1)
    assert table[["layers", "of"]].values.tolist() == [[1, 3], [2, 3], [3, 3]]
    # With another output the six equal maps are added up to the same, or are no evidence: in each of three draws.
    assert table["similarity"].iloc[0] * 3 == pytest.approx(round(table["similarity"].iloc[0] * 3), abs=1e-3)
    assert table["highest"].iloc[0] == pytest.approx(1, abs=1e-3)
    assert table["highest"].iloc[2] < 0.9
    assert (table["lowest"] <= table["similarity"]).all() and (table["similarity"] <= table["highest"]).all()


def test_a_map_that_nothing_learnt_makes_stays_and_an_empty_one_has_nothing_in_common():
    films, model = spotted(6)[0][..., None], learns_no_map()
    assert randomised_similarity(model, films, grad_cam(model, films), 1)["similarity"].tolist() == pytest.approx([1])
    black = np.zeros_like(films)
    assert randomised_similarity(model, black, grad_cam(model, black), 1)["similarity"].tolist() == [0]


def test_a_map_that_an_untrained_network_draws_too_is_not_to_be_read():
    said_of = {}
    pointing = pointing_game({HEAT_MAP: np.ones(20), "a guess": np.zeros(20)}, np.arange(20).astype(str), 300)
    for similarity in (0.1, 0.8):
        randomised = pd.DataFrame({"layers": [3], "of": [3], "similarity": [similarity]})
        said_of[similarity] = what_follows(pointing, randomised)
    assert said_of[0.1].endswith("correlation of 0.10 with what it was: it depends on what the network learnt.")
    assert "it hardly depends on what the network learnt. Do not read" in said_of[0.8]
