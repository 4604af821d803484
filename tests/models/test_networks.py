from types import SimpleNamespace

import keras
import numpy as np
import pytest

from pneumonia.errors import UserError
from pneumonia.models import build_network, cnn, inception


def count(weights) -> int:
    return sum(int(np.prod(weight.shape)) for weight in weights)


def test_cnn_has_the_published_parameters():
    network = cnn.build(None, 299, weights=None)
    assert network.count_params() == 1_321_953
    assert count(network.trainable_weights) == 1_319_329
    by_kind = [layer.count_params() for layer in network.layers if layer.count_params()]
    assert by_kind[:2] == [448, 2_320]
    assert by_kind[-1] == 65
    assert network.layers[-1].output.shape == (None, 1)
    flat = next(layer for layer in network.layers if isinstance(layer, keras.layers.Flatten))
    assert flat.input.shape == (None, 4, 4, 128)


def test_inception_is_inception_v3_with_one_probability():
    settings = SimpleNamespace(dropout=0.3)
    network = inception.build(settings, 75, weights=None)
    assert network.count_params() == 21_802_784 + 2_048 + 1  # Keras' Inception V3 without its top, and the head
    assert not any(isinstance(layer, keras.Model) for layer in network.layers)  # flat
    assert network.get_layer("mixed7")


@pytest.mark.parametrize(("name", "scale"), [("cnn", (0, 1)), ("inception", (-1, 1))])
def test_grey_values_reach_the_network_on_the_scale_of_its_weights(make_params, name, scale):
    params = make_params({"model": name, f"models.{name}.weights": "random", "clean.image_size": 96})
    network = build_network(params).model
    seen = keras.Model(network.input, network.get_layer("three_channels").output)
    film = np.zeros((1, 96, 96, 1), "float32")
    film[0, 0, 0] = 255
    channels = seen.predict(film, verbose=0)
    assert (channels.min(), channels.max()) == pytest.approx(scale)
    assert np.ptp(channels, axis=-1).max() == 0


@pytest.mark.parametrize(("name", "size", "least"), [("cnn", 63, 64), ("inception", 64, 75)])
def test_films_that_are_too_small_are_an_error_that_says_from_which_size(make_params, name, size, least):
    with pytest.raises(UserError, match=rf"clean.image_size {size}: .*{least}"):
        build_network(make_params({"model": name, "clean.image_size": size, f"models.{name}.weights": "random"}))


def test_weights_of_the_users_own_load_from_either_format(make_params, tmp_path):
    trained = build_network(make_params({"clean.image_size": 64})).model
    for file in ("own.keras", "own.weights.h5"):
        path = tmp_path / file
        trained.save(path) if file == "own.keras" else trained.save_weights(path)
        network = build_network(make_params({"clean.image_size": 64, "models.cnn.weights": str(path)}))
        assert network.weights == str(path)
        for mine, theirs in zip(network.model.get_weights(), trained.get_weights(), strict=True):
            assert np.array_equal(mine, theirs)


def test_weights_that_do_not_fit_or_are_not_there_are_one_line(make_params, tmp_path):
    path = tmp_path / "own.weights.h5"
    build_network(make_params({"clean.image_size": 128})).model.save_weights(path)
    (tmp_path / "text.keras").write_text("no model")
    for file, told in [(path, "do not fit model cnn"), ("absent.keras", "no such file"), ("text.keras", "do not fit")]:
        params = make_params({"clean.image_size": 64, "models.cnn.weights": str(tmp_path / file)})
        with pytest.raises(UserError, match=told) as error:
            build_network(params)
        assert "\n" not in str(error.value)


def test_without_weights_auto_says_loudly_that_it_starts_at_random_and_imagenet_fails(
    make_params, monkeypatch, tmp_path, caplog
):
    """An address that nobody listens on stands for a machine without a network."""
    monkeypatch.setattr(keras.src.applications.inception_v3, "WEIGHTS_PATH_NO_TOP", "http://127.0.0.1:9/none.h5")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    params = {"model": "inception", "clean.image_size": 75}
    network = build_network(make_params(params))
    assert network.weights == "random"
    assert "NO PRETRAINED WEIGHTS" in caplog.text
    with pytest.raises(UserError, match=r"weights is imagenet, but .* it may be auto, random or a path"):
        build_network(make_params({**params, "models.inception.weights": "imagenet"}))
