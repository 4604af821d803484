"""A localiser evaluated whole: one that boxes what is bright, on films whose bright spots are known."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pneumonia.evaluation.boxes.pictures import choose_films
from pneumonia.evaluation.boxes.rsna_metric import mean_average_precision
from pneumonia.evaluation.evaluate import evaluate
from pneumonia.evaluation.outcome import Evaluation
from pneumonia.evaluation.report.card import render_card
from pneumonia.evaluation.report.page import render_report
from pneumonia.inference.decision import Decision
from pneumonia.inference.predictor import Prediction, Predictor
from pneumonia.params.load import Params, load_params
from pneumonia.radiographs.read import resize

from ...conftest import write_params
from ...small_classifier import SIZE, spot_localiser, spotted
from ..test_evaluate import HISTORY, TRAINING

HEIGHT, WIDTH = 96, 128
PLACE = ["x", "y", "width", "height"]
PARTS = {"train": 20, "val": 30, "test": 30}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """80 films, half of them with a true box or two around a spot that is a little larger. Some of the other films have
    a spot too, which is less bright, and some with boxes have none.
    """
    data = tmp_path_factory.mktemp("localiser") / "data"
    (data / "clean").mkdir(parents=True)
    rng = np.random.default_rng(0)
    films, boxes = [], []
    for number in range(80):
        sick, spots = number % 2 == 1, []
        for half in range(1 + (number % 3 == 0) if sick else 0):
            box = (64 * half + rng.integers(4, 12), rng.integers(4, 40), rng.integers(28, 44), rng.integers(28, 44))
            boxes.append((f"{number}.png", *(np.array(box) * SIZE / [WIDTH, HEIGHT, WIDTH, HEIGHT])))
            x, y, width, height = box
            spots += [(x - 3, y - 3, width + 6, height + 6, rng.uniform(185, 250))] * (number % 7 != 0)
        if not sick and number % 5 == 0:
            spots.append((20, 20, 40, 40, rng.uniform(155, 200)))
        films.append(spotted(*spots, seed=number))
    originals = data.parent / "films"
    originals.mkdir()
    for number, film in enumerate(films):
        Image.fromarray(film).save(originals / f"{number}.png")
    np.save(data / "clean" / "images.npy", np.stack([resize(film, SIZE) for film in films]))
    pd.DataFrame(boxes, columns=["file", *PLACE]).to_csv(data / "clean" / "boxes.csv", index=False)
    table = pd.DataFrame({"image": range(80), "file": [f"{number}.png" for number in range(80)]})
    table["label"] = np.where(table["image"] % 2, "opacity", "normal")
    table["patient"] = [f"{number // 2}" for number in range(80)]
    facts = {"width": WIDTH, "height": HEIGHT, "mode": "L", "format": "PNG", "quality": "", "bytes": 9000}
    table.assign(**facts).drop(columns="image").to_csv(data / "clean" / "index.csv", index=False)
    table["class"] = np.where(table["image"] % 2, "opacity", "no_opacity")
    table["part"] = np.repeat(list(PARTS), list(PARTS.values()))
    table.to_csv(data / "split.csv", index=False)
    return data


@pytest.fixture(scope="module")
def evaluated(data) -> tuple[Evaluation, Path]:
    """What `evaluate` gave, and the folder with `models` and `reports`."""
    folder = data.parent
    (folder / "models").mkdir()
    model = spot_localiser()
    model.save(folder / "models" / "model.keras")
    return evaluate(model, params_of(folder), data, HISTORY, "random", folder / "models", folder / "reports"), folder


def params_of(folder: Path) -> Params:
    changes = {"task": "localize", "model": "resnet_seg", "evaluate.draws": 200, "clean.image_size": SIZE}
    return load_params(write_params(folder / "params.yaml", changes))


def boxes_of(table: pd.DataFrame, files: pd.Series, columns: list[str]) -> list[np.ndarray]:
    return [table.loc[table["file"] == file, columns].to_numpy(float) for file in files]


def test_the_figures_are_those_of_the_boxes_that_are_written_in_pixels_of_the_films(evaluated):
    outcome, folder = evaluated
    films = pd.read_csv(folder / "reports" / "predictions.csv")
    tables = folder / "reports" / "evaluation"
    truths, boxes = pd.read_csv(tables / "true_boxes.csv"), pd.read_csv(tables / "boxes.csv")
    metrics = json.loads((folder / "reports" / "metrics.json").read_text())
    for part in ("val", "test"):
        files = films.loc[films["part"] == part, "file"]
        assert set(boxes.loc[boxes["part"] == part, "file"]) <= set(files)
        shown = boxes_of(boxes[boxes["shown"]], files, [*PLACE, "confidence"])
        score = mean_average_precision(boxes_of(truths, files, PLACE), shown)
        assert 0.2 < score < 0.9
        assert metrics[part]["boxes/map"] == pytest.approx(score, abs=0.01)
        assert metrics[part]["roc_auc"] > 0.7
    rows = outcome.intervals.set_index(["part", "metric"])
    row = rows.loc[("test", "boxes/map")]
    assert row["low"] < row["value"] == outcome.metrics["test"]["boxes/map"] < row["high"]
    assert row["low_by_image"] < row["value"] < row["high_by_image"]


def test_what_is_tuned_does_not_know_the_test_films(evaluated, data, tmp_path):
    outcome, folder = evaluated
    other = tmp_path / "data"
    (other / "clean").mkdir(parents=True)
    for name in ("split.csv", "clean/index.csv", "clean/boxes.csv"):
        (other / name).write_text((data / name).read_text())
    images = np.load(data / "clean" / "images.npy")
    images[50:] = images[50:][::-1]
    np.save(other / "clean" / "images.npy", images)
    (tmp_path / "models").mkdir()
    params = params_of(tmp_path)
    again = evaluate(spot_localiser(), params, other, HISTORY, "", tmp_path / "models", tmp_path / "reports")
    assert again.metrics["test"] != outcome.metrics["test"]
    assert again.decision == outcome.decision == Decision.load(folder / "models" / "decision.json")


def test_the_model_is_compared_with_average_boxes(evaluated):
    _, folder = evaluated
    table = pd.read_csv(folder / "reports" / "evaluation" / "baselines.csv").set_index(["against", "part", "metric"])
    assert set(table.index.levels[0]) == {"one average box", "an average box in each lung"}
    row = table.loc[("one average box", "test", "boxes/map")]
    assert row["model"] - row["baseline"] == pytest.approx(row["difference"])
    assert 0 < row["low"] < row["difference"]
    assert row["means"] == "the model is better"


def test_the_classifier_that_is_left_boxes_a_film_as_it_was_evaluated(evaluated):
    _, folder = evaluated
    boxes = pd.read_csv(folder / "reports" / "evaluation" / "boxes.csv")
    files = pd.read_csv(folder / "reports" / "predictions.csv")["file"]
    answers = Predictor.load(folder / "models").predict_files(folder / "films" / file for file in files)
    expected = boxes_of(boxes[boxes["shown"]], files, [*PLACE, "confidence"])
    for file, answer, rows in zip(files, answers, expected, strict=True):
        assert isinstance(answer, Prediction)
        assert np.array(answer.boxes).reshape(-1, 5) == pytest.approx(rows, abs=0.01), file
    assert sum(map(len, expected)) > 20


def test_the_page_and_the_card_tell_of_the_boxes(evaluated, data):
    outcome, folder = evaluated
    page = render_report(outcome, params_of(folder), TRAINING, folder / "reports", folder / "reports" / "evaluation")
    assert all(f'<img alt="{picture}"' in page for picture in ("boxes", "froc", "tuning"))
    assert '<img alt="errors"' not in page
    assert "the model is better" in page and "mean average precision<b>0." in page
    card = render_card(
        params_of(folder), outcome.decision, outcome.intervals, [], pd.read_csv(data / "split.csv"), TRAINING
    )
    assert "It draws boxes around opacities" in card and "| boxes/map | 0." in card


def test_the_gallery_goes_from_the_best_film_to_the_worst_and_on_to_the_surest_false_alarms():
    box, none = np.array([[10.0, 10, 20, 20]]), np.empty((0, 4))
    truths = [box] * 20 + [none] * 6
    shift = np.arange(20)  # film 0 is found exactly, later ones less and less
    shown = [np.array([[10.0 + each, 10, 20, 20, 0.9]]) for each in shift]
    shown += [np.array([[0, 0, 5, 5, confidence]]) for confidence in (0.3, 0.9, 0.5, 0.4, 0.8)] + [np.empty((0, 5))]
    chosen = choose_films(truths, shown)
    assert chosen[0] == 0 and len(chosen) == 12
    assert chosen[:8] == sorted(chosen[:8]) and chosen[7] == 19
    assert chosen[8:] == [21, 24, 22, 23]
    assert choose_films(truths[:3], shown[:3]) == [0, 1, 2]
