import json

import keras
import numpy as np
import pandas as pd
import pytest

from pneumonia.evaluation.evaluate import evaluate


@pytest.fixture
def data(tmp_path):
    """Ten films whose grey value is 25 times their number; odd ones have pneumonia; four validate, six test."""
    images = np.broadcast_to((np.arange(10, dtype=np.uint8) * 25)[:, None, None], (10, 8, 8))
    (tmp_path / "data" / "clean").mkdir(parents=True)
    np.save(tmp_path / "data" / "clean" / "images.npy", images)
    pd.DataFrame(
        {
            "image": range(10),
            "file": [f"{number}.png" for number in range(10)],
            "label": ["normal", "viral"] * 5,
            "class": ["normal", "pneumonia"] * 5,
            "patient": [f"{number:03}" for number in range(10)],
            "part": ["val"] * 4 + ["test"] * 6,
        }
    ).to_csv(tmp_path / "data" / "split.csv", index=False)
    return tmp_path / "data"


@pytest.fixture
def model() -> keras.Model:
    """Probability of pneumonia: the mean grey value over 255."""
    film = keras.Input((8, 8, 1))
    same = keras.layers.Conv2D(1, 1, kernel_initializer="ones")(keras.layers.Rescaling(1 / 255)(film))
    return keras.Model(film, keras.layers.GlobalAveragePooling2D()(same))


HISTORY = pd.DataFrame(
    {
        "epoch": [1, 2],
        **{name: [0.5, 0.4] for name in ("loss", "accuracy", "auc", "val_loss", "val_accuracy", "val_auc")},
    }
)


def test_every_film_is_predicted_and_the_figures_are_those_of_the_predictions(data, model, tmp_path):
    reports = tmp_path / "reports"
    figures = evaluate(model, "binary", data, HISTORY, "random", reports)
    predictions = pd.read_csv(reports / "predictions.csv", dtype={"patient": str})
    assert predictions["file"].tolist() == [f"{number}.png" for number in range(10)]
    assert predictions["patient"].tolist() == [f"{number:03}" for number in range(10)]
    assert predictions["probability"].to_numpy() == pytest.approx(np.arange(10) * 25 / 255, abs=1e-6)
    assert predictions["predicted"].tolist() == ["normal"] * 6 + ["pneumonia"] * 4  # 0.5 is 127.5
    counts = ("true_negatives", "false_positives", "false_negatives", "true_positives")
    assert [figures["val"][name] for name in counts] == [2, 0, 2, 0]
    assert [figures["test"][name] for name in counts] == [1, 2, 1, 2]
    assert json.loads((reports / "metrics.json").read_text()) == figures
    confusion = pd.read_csv(reports / "evaluation" / "confusion_test.csv")
    assert (confusion["actual"] != confusion["predicted"]).sum() == 3
    for picture in ("curves.png", "history.png", "confusion_val.png", "confusion_test.png", "receptive_field.png"):
        assert (reports / "evaluation" / picture).read_bytes().startswith(b"\x89PNG")


def test_three_classes_give_a_probability_each_and_curves_each(data, tmp_path):
    """Probabilities: 1 - g, g / 2 and g / 2 of the mean grey value g over 255."""
    split = pd.read_csv(data / "split.csv", dtype={"patient": str})
    split["class"] = ["normal", "bacterial", "viral", "normal"] + ["normal", "bacterial", "viral"] * 2
    split.to_csv(data / "split.csv", index=False)
    film = keras.Input((8, 8, 1))
    same = keras.layers.Conv2D(1, 1, kernel_initializer="ones")(keras.layers.Rescaling(1 / 255)(film))
    grey = keras.layers.GlobalAveragePooling2D()(same)
    output = keras.layers.Dense(3)
    probabilities = output(grey)
    output.set_weights([np.float32([[-1, 0.5, 0.5]]), np.float32([1, 0, 0])])
    evaluate(keras.Model(film, probabilities), "multiclass", data, HISTORY, "random", tmp_path / "reports")
    predictions = pd.read_csv(tmp_path / "reports" / "predictions.csv")
    grey = np.arange(10) * 25 / 255
    assert predictions["probability"].to_numpy() == pytest.approx(grey, abs=1e-6)
    assert predictions["probability_viral"].to_numpy() == pytest.approx(grey / 2, abs=1e-6)
    assert predictions["predicted"].tolist() == ["normal"] * 7 + ["bacterial"] * 3  # 2/3 is 170
    for name in ("roc_test.csv", "roc_test_viral.csv", "pr_val_normal.csv", "curves_bacterial.png"):
        assert (tmp_path / "reports" / "evaluation" / name).stat().st_size
