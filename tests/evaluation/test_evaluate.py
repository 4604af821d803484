import json

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pneumonia.evaluation.alterations import WITHOUT_LUNGS
from pneumonia.evaluation.evaluate import evaluate
from pneumonia.evaluation.report.card import render_card
from pneumonia.evaluation.report.page import render_report
from pneumonia.inference.decision import Decision
from pneumonia.inference.predictor import Prediction, Predictor
from pneumonia.sources.shared.raw import BOX_COLUMNS

HISTORY = pd.DataFrame(
    {
        "epoch": [1, 2],
        **{name: [0.5, 0.4] for name in ("loss", "accuracy", "auc", "val_loss", "val_accuracy", "val_auc")},
    }
)
TRAINING = {"weights": "random", "precision": "float32", "parameters": 3}
MIDDLE = {"x": 8, "y": 8, "width": 16, "height": 16}
LABELS = ["normal", "bacterial", "normal", "viral"]


@pytest.fixture
def data(tmp_path):
    """60 films of 50 patients, of noise about a grey that is brighter in the middle where they are sick."""
    rng = np.random.default_rng(0)
    labels = np.array(LABELS * 15)
    sick = labels != "normal"
    images = rng.normal(90, 12, (60, 32, 32))
    images[:, 8:24, 8:24] += (60 * sick + rng.normal(0, 25, 60))[:, None, None]
    (tmp_path / "data" / "clean").mkdir(parents=True)
    np.save(tmp_path / "data" / "clean" / "images.npy", images.clip(0, 255).astype(np.uint8))
    films = pd.DataFrame(
        {
            "image": range(60),
            "file": [f"{number}.png" for number in range(60)],
            "label": labels,
            "class": np.where(sick, "pneumonia", "normal"),
            "patient": [f"{number % 20:03}-{number // 20 if number % 2 else 0}" for number in range(60)],
            "part": ["train"] * 20 + ["val"] * 20 + ["test"] * 20,
        }
    )
    films.to_csv(tmp_path / "data" / "split.csv", index=False)
    encoding = {"width": 300, "height": 280, "mode": "L", "format": "PNG", "quality": "", "bytes": 9000}
    films[["file", "label", "patient"]].assign(**encoding).to_csv(
        tmp_path / "data" / "clean" / "index.csv", index=False
    )
    pd.DataFrame(columns=BOX_COLUMNS).to_csv(tmp_path / "data" / "clean" / "boxes.csv", index=False)
    return tmp_path / "data"


def network(outputs: int, looks_at: tuple[slice, slice] = (slice(8, 24), slice(8, 24))) -> keras.Model:
    """Its logit is the mean grey of where it looks less 130, over 10; of three classes the sick ones share it."""
    film = keras.Input((32, 32, 1), name="film")
    same = keras.layers.Conv2D(1, 1, kernel_initializer="ones", name="same")(film)
    mean = keras.layers.Conv2D(1, 32, name="mean")
    grey = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(0.1, -13)(mean(same)))
    output = keras.layers.Dense(outputs, "sigmoid" if outputs == 1 else "softmax", name="probability")
    model = keras.Model(film, output(grey), name="toy")
    weights = np.zeros((32, 32, 1, 1), "float32")
    weights[looks_at] = 1 / weights[looks_at].size
    mean.set_weights([weights, np.zeros(1)])
    output.set_weights([np.float32([[1.0]] if outputs == 1 else [[-0.5, 0.6, 0.4]]), np.zeros(outputs)])
    return model


def test_every_film_is_predicted_and_all_metrics_are_those_of_the_predictions(data, make_params, tmp_path):
    reports, models = tmp_path / "reports", tmp_path / "models"
    models.mkdir()
    outcome = evaluate(network(1), make_params({"evaluate.draws": 300}), data, HISTORY, "random", models, reports)
    predictions = pd.read_csv(reports / "predictions.csv", dtype={"patient": str})
    assert predictions["file"].tolist() == [f"{number}.png" for number in range(20, 60)]
    decision = Decision.load(models / "decision.json")
    images = np.load(data / "clean" / "images.npy")[20:]
    logit = (images[:, 8:24, 8:24].mean(axis=(1, 2)) / 10 - 13) / decision.temperature
    assert predictions["probability"].to_numpy() == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-4)
    called = predictions["probability"] >= decision.threshold
    assert predictions["predicted"].tolist() == np.where(called, "pneumonia", "normal").tolist()

    test = predictions[predictions["part"] == "test"]
    sensitivity = (test.loc[test["class"] == "pneumonia", "predicted"] == "pneumonia").mean()
    assert outcome.metrics["test"]["sensitivity"] == pytest.approx(sensitivity)
    assert json.loads((reports / "metrics.json").read_text()) == outcome.metrics
    rows = outcome.intervals.set_index(["part", "metric"])
    assert rows.loc[("test", "sensitivity"), "value"] == pytest.approx(sensitivity)
    assert rows.loc[("test", "roc_auc"), "low"] <= outcome.metrics["test"]["roc_auc"]
    frozen = outcome.choices[
        (outcome.choices["rule"] == "sensitivity") & (outcome.choices["chosen_on"] == "stressed, cross-fitted")
    ]
    assert frozen["threshold"].item() == pytest.approx(decision.threshold)
    assert outcome.findings == []
    for picture in ("curves", "history", "confusion_val", "receptive_field", "reliability", "errors", "alterations"):
        assert (reports / "evaluation" / f"{picture}.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_left_in_models_is_the_classifier_that_was_evaluated(data, make_params, tmp_path):
    models, model = tmp_path / "models", network(1)
    models.mkdir()
    model.save(models / "model.keras")
    params = make_params({"evaluate.draws": 200, "clean.image_size": 32, "clean.min_size": 32})
    evaluate(model, params, data, HISTORY, "random", models, tmp_path / "reports")
    film = tmp_path / "film.png"
    Image.fromarray(np.load(data / "clean" / "images.npy")[41]).save(film)
    predicted = pd.read_csv(tmp_path / "reports" / "predictions.csv").set_index("file").loc["41.png"]
    [answer] = Predictor.load(models).predict_files([film])
    assert isinstance(answer, Prediction)
    assert (answer.label, answer.probability) == (predicted["predicted"], pytest.approx(predicted["probability"]))


@pytest.mark.slow
def test_stressed_films_have_a_score_and_may_choose_the_threshold(data, make_params, tmp_path):
    models, reports = tmp_path / "models", tmp_path / "reports"
    models.mkdir()
    outcomes = [
        evaluate(
            network(1),
            make_params({"evaluate.draws": 200, "evaluate.stressed": chosen}),
            data,
            HISTORY,
            "random",
            models,
            reports,
        )
        for chosen in (False, True)
    ]
    outcome = outcomes[1]
    table = pd.read_csv(reports / "evaluation" / "alterations_val.csv").set_index("films")["roc_auc"]
    stresses = table.drop(["as it is", *WITHOUT_LUNGS])
    assert len(stresses) == 8
    assert outcome.metrics["val"]["stress/roc_auc"] == pytest.approx(stresses.mean())
    choices = outcome.choices.set_index(["rule", "chosen_on"])["threshold"]
    assert outcome.decision.threshold == choices["sensitivity", "stressed, cross-fitted"]
    assert outcomes[0].decision.threshold == choices["sensitivity", "cross-fitted"] != outcome.decision.threshold
    assert outcome.decision.rule == "sensitivity, cross-fitted, stressed"


def test_a_model_that_looks_at_the_border_is_told(data, make_params, tmp_path):
    images = np.load(data / "clean" / "images.npy")
    cheating = np.full_like(images, 90)
    cheating[:, :2] = images[:, 8:24, 8:24].mean(axis=(1, 2)).astype(np.uint8)[:, None, None]
    cheating[:, 8:24, 8:24] = 90
    np.save(data / "clean" / "images.npy", cheating)
    cheater, models = network(1, looks_at=(slice(0, 2), slice(0, 32))), tmp_path / "models"
    models.mkdir()
    outcome = evaluate(cheater, make_params({"evaluate.draws": 200}), data, HISTORY, "", models, tmp_path / "reports")
    assert [finding.partition(" the model")[0] for finding in outcome.findings] == [
        "Shortcut: with lungs blacked out",
        "Shortcut: with lungs greyed out",
        "Shortcut: with lungs faded out",
        "Shortcut: with only the border",
    ]


def test_films_near_the_threshold_are_uncertain_where_that_is_wanted_and_the_page_tells_what_it_gains(
    data, make_params, tmp_path
):
    models, reports = tmp_path / "models", tmp_path / "reports"
    models.mkdir()
    params = make_params(
        {"evaluate.draws": 200, "evaluate.abstain": {"by": "coverage", "wanted": 0.8, "unfamiliar": False}}
    )
    outcome = evaluate(network(1), params, data, HISTORY, "random", models, reports)
    decision = Decision.load(models / "decision.json")
    assert decision.abstention.low < decision.threshold < decision.abstention.high
    predictions = pd.read_csv(reports / "predictions.csv")
    of_val = predictions.loc[predictions["part"] == "val", "probability"]
    assert 0.8 <= 1 - of_val.between(decision.abstention.low, decision.abstention.high).mean() <= 0.85
    test = predictions[predictions["part"] == "test"]
    answered = test[~test["probability"].between(decision.abstention.low, decision.abstention.high)]
    table = pd.read_csv(reports / "evaluation" / "abstention.csv").set_index("answered")
    assert table.at["as decided", "coverage"] == pytest.approx(len(answered) / len(test))
    page = render_report(outcome, params, TRAINING, reports, reports / "evaluation")
    assert "When not to answer" in page


def test_where_films_have_boxes_the_page_says_what_heat_maps_are_worth_and_else_nothing(data, make_params, tmp_path):
    models, reports = tmp_path / "models", tmp_path / "reports"
    models.mkdir()
    params = make_params({"evaluate.draws": 200})
    split = pd.read_csv(data / "split.csv")
    sick = split.loc[split["class"] == "pneumonia", "file"]
    pages = []
    for boxes in (pd.DataFrame(columns=BOX_COLUMNS), pd.DataFrame({"file": sick, **MIDDLE})):
        boxes.to_csv(data / "clean" / "boxes.csv", index=False)
        outcome = evaluate(network(1), params, data, HISTORY, "random", models, reports)
        pages.append(render_report(outcome, params, TRAINING, reports, reports / "evaluation"))
    assert "heat maps" not in pages[0]
    pointing = pd.read_csv(reports / "evaluation" / "heat_maps.csv").set_index("pointed_by")
    assert pointing["films"].tolist() == [10] * 3
    assert pointing.at["the middle of an average box in each lung", "hit"] == 1  # all boxes lie in one place
    said = f"The hottest place lies in a box in {100 * pointing.at['the heat map', 'hit']:.0f} % ("
    assert said in pages[1]
    assert "than one who has not seen the film" in pages[1]
    assert "Do not read heat maps as where the opacity is." in pages[1]


def test_three_classes_give_a_probability_each_and_a_page_and_a_card(data, make_params, tmp_path):
    split = pd.read_csv(data / "split.csv", dtype={"patient": str})
    split.assign(**{"class": split["label"]}).to_csv(data / "split.csv", index=False)
    params = make_params({"task": "multiclass", "evaluate.draws": 200})
    reports, models = tmp_path / "reports", tmp_path / "models"
    models.mkdir()
    outcome = evaluate(network(3), params, data, HISTORY, "random", models, reports)
    predictions = pd.read_csv(reports / "predictions.csv")
    each = predictions[["probability_normal", "probability_bacterial", "probability_viral"]].to_numpy()
    assert each.sum(axis=1) == pytest.approx(1)
    assert predictions["probability"].to_numpy() == pytest.approx(1 - each[:, 0])
    called = predictions["probability"] >= outcome.decision.threshold
    assert ((predictions["predicted"] == "normal") == ~called).all()
    for name in ("roc_test.csv", "roc_test_viral.csv", "pr_val_normal.csv", "curves_bacterial.png"):
        assert (reports / "evaluation" / name).stat().st_size
    metrics = {"classes/roc_auc", "classes/accuracy", "bacterial_against_viral/roc_auc"}
    assert metrics <= set(outcome.intervals["metric"])
    rows = outcome.intervals.set_index(["part", "metric"])
    for name in metrics:
        assert rows.loc[("test", name), "value"] == pytest.approx(outcome.metrics["test"][name])

    page = render_report(outcome, params, TRAINING, reports, reports / "evaluation")
    assert page.count("data:image/png;base64,") >= 10
    assert "http://" not in page.replace("http://www.w3.org", "") and 'src="/' not in page
    assert f"{outcome.intervals.set_index(['part', 'metric']).loc[('test', 'roc_auc'), 'value']:.3f}" in page
    films = pd.read_csv(data / "split.csv", dtype=str)
    card = render_card(params, outcome.decision, outcome.intervals, ["It cheats."], films, TRAINING)
    assert "- test: 5 bacterial, 10 normal, 5 viral" in card
    assert "- It cheats." in card
    assert "No medical device" in card
