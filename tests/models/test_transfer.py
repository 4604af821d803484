"""Transfer learning with real ImageNet weights, where they are at hand."""

import os
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from pneumonia.models.shared.building import build_network
from pneumonia.training.fitting import train

WEIGHTS = Path(__file__).parents[3] / "shared" / "data" / "keras"


@pytest.fixture
def keras_home(tmp_path, monkeypatch) -> None:
    """A Keras home with the weights of MobileNetV2, alpha 0.35."""
    if not WEIGHTS.is_dir():
        pytest.skip(f"no ImageNet weights in {WEIGHTS.name} beside the repository")
    for file in WEIGHTS.rglob("*.h5"):  # Keras writes beside what it reads
        place = tmp_path / file.relative_to(WEIGHTS)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(file, place)
    monkeypatch.setattr(keras.src.backend.config, "_KERAS_DIR", str(tmp_path))  # KERAS_HOME, which is read at import


@pytest.fixture
def params(make_params):
    base = {"model": "mobilenet_v2", "models.mobilenet_v2.alpha": 0.35, "clean.image_size": 96}
    short = {
        "train.epochs": 1,
        "models.mobilenet_v2.head_epochs": 1,
        "train.batch_size": 8,
        "train.precision": "float32",
    }
    return lambda changes: make_params(base | short | changes)


def test_imagenet_weights_are_in_the_flat_graph(keras_home, params):
    network = build_network(params({"models.mobilenet_v2.weights": "imagenet"}))
    assert network.weights == "imagenet"
    grey = keras.Input((96, 96, 3))
    published = keras.applications.MobileNetV2(alpha=0.35, include_top=False, input_tensor=grey)
    film = np.random.default_rng(0).integers(0, 255, (2, 96, 96, 1)).astype("float32")
    features = keras.Model(network.model.input, network.model.get_layer("out_relu").output)
    theirs = published(np.repeat(film, 3, axis=-1) / 127.5 - 1)
    assert np.array(features(film)) == pytest.approx(np.array(theirs), abs=1e-4)


@pytest.mark.slow
def test_the_head_is_trained_first_and_then_from_the_named_layer(keras_home, params):
    films = np.random.default_rng(0).integers(0, 120, (32, 96, 96), dtype=np.uint8)
    classes = (np.arange(32) % 3 != 0).astype(int)
    films[classes == 1, 30:60, 30:60] += 100
    names = np.where(classes[:24], "pneumonia", "normal")
    rows = pd.DataFrame({"image": range(24), "class": names, "draws": 1, "augment": False, "weight": 1.0})
    chosen = params({"models.mobilenet_v2.weights": "auto", "models.mobilenet_v2.fine_tune_from": "block_13_expand"})
    states = []
    trained = train(chosen, films, rows, (np.arange(24, 32), classes[24:]), states.append)
    assert trained.weights == "imagenet"
    assert trained.history["phase"].tolist() == [1, 2]
    published = build_network(chosen).model
    names = [layer.name for layer in published.layers]
    first = names.index("block_13_expand")
    for number, name in enumerate(names):
        before, after = published.get_layer(name), trained.model.get_layer(name)
        same = all(map(np.array_equal, before.get_weights(), after.get_weights()))
        learns = number >= first and before.get_weights() and not isinstance(before, keras.layers.BatchNormalization)
        assert same != bool(learns), name
