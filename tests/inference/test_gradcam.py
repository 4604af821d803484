import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from pneumonia.inference.gradcam import grad_cam, lay_heat_over
from pneumonia.models.shared.building import build_network
from pneumonia.models.shared.ends import probabilities
from pneumonia.models.shared.head import find_head
from pneumonia.params.choices import networks

from ..conftest import REPOSITORY, slow_but

SMALLEST = {"cnn": 64, "alexnet": 67, "googlenet": 80, "inception": 75}
"""Pixels a side; 32 for the others."""

OTHER_BACKEND = """
import keras, numpy as np
from pneumonia.inference.gradcam import grad_cam, lay_heat_over
films = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 1), dtype=np.uint8)
np.save("heat.npy", grad_cam(keras.saving.load_model("model.keras", compile=False), films))
"""


def build(make_params, name: str, size: int, task: str = "binary") -> keras.Model:
    keras.utils.set_random_seed(0)
    changes = {"model": name, "task": task, "clean.image_size": size, f"models.{name}.weights": "random"}
    return build_network(make_params({**changes, "models.mobilenet_v2.alpha": 0.35})).model


def noise(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 1), dtype=np.uint8)


def by_hand(classes: int, kernel: list[list[float]], bias: list[float]) -> keras.Model:
    """Two channels, the film's grey over 255 and what lacks to 255, averaged over places into the output."""
    film = keras.Input((8, 8, 1))
    convolution = layers.Conv2D(2, 1)
    x = layers.GlobalAveragePooling2D()(convolution(layers.Rescaling(1 / 255)(film)))
    network = keras.Model(film, probabilities(x, classes))
    convolution.set_weights([np.float32([[[[1, -1]]]]), np.float32([0, 1])])
    network.get_layer("probability").set_weights([np.float32(kernel), np.float32(bias)])
    return network


def one_bright_square() -> np.ndarray:
    film = np.zeros((1, 8, 8, 1), np.uint8)
    film[0, 2:4, 5:7] = 255
    return film


@pytest.mark.parametrize(
    "name", slow_but(("cnn", "mobilenet_v2"), [name for name in networks() if not find_head(name)])
)
def test_every_network_gives_a_map_of_each_film_and_is_left_as_it_was(make_params, name):
    """The score of normal is the other's negative, so what is evidence for neither is a map of zeros."""
    size = SMALLEST.get(name, 32)
    network = build(make_params, name, size)
    weights = [np.copy(weight) for weight in network.get_weights()]
    nodes = [len(layer._inbound_nodes) for layer in network.layers]
    sick, normal = (grad_cam(network, noise(2, size), class_number) for class_number in (1, 0))
    for heat in (sick, normal):
        assert (heat.shape, heat.dtype) == ((2, size, size), np.float32)
        assert np.isfinite(heat).all()
        assert heat.min() >= 0
    assert (np.maximum(sick, normal).max(axis=(1, 2)) == 1).all()
    assert all(map(np.array_equal, network.get_weights(), weights))
    assert [len(layer._inbound_nodes) for layer in network.layers] == nodes


@pytest.mark.parametrize(
    ("name", "size", "layer"), [("cnn", 128, "block5_norm"), ("mobilenet_v2", 64, "block_6_expand_relu")]
)
def test_maps_are_those_of_tf_keras_vis(make_params, name, size, layer):
    tf_keras_vis = pytest.importorskip("tf_keras_vis.gradcam", reason="tf-keras-vis is not installed")
    network, films = build(make_params, name, size), noise(3, size)

    def to_logit(model):
        model.get_layer("probability").activation = keras.activations.linear

    theirs = tf_keras_vis.Gradcam(network, to_logit)(
        lambda outputs: outputs[:, 0],
        films.astype("float32"),
        penultimate_layer=layer,
        seek_penultimate_conv_layer=False,
        expand_cam=False,
        normalize_cam=False,
    )
    wanted = keras.ops.convert_to_numpy(keras.ops.image.resize(np.array(theirs)[..., None], (size, size)))[..., 0]
    assert grad_cam(network, films) == pytest.approx(wanted / wanted.max(axis=(1, 2), keepdims=True), abs=1e-4)


def test_the_evidence_is_where_it_was_planted():
    """Bright places speak for pneumonia, dark ones for normal; the logit by hand is 3 · bright - 2 · dark."""
    network, film = by_hand(1, [[3], [-2]], [0]), one_bright_square()
    bright = film[..., 0] == 255
    # Of the channels a, 1 - a with weights 3 / 64, -2 / 64 the map is ReLU(3 a - 2 (1 - a)): 3 where a is 1, else 0.
    assert np.array_equal(grad_cam(network, film), bright)
    assert np.array_equal(grad_cam(network, film, class_number=1), bright)
    assert np.array_equal(grad_cam(network, film, class_number=0), ~bright)


def test_of_three_classes_each_has_its_own_evidence_and_pneumonia_is_any_but_normal():
    # Normal looks at nothing, bacterial at bright places, viral at dark ones.
    network, film = by_hand(3, [[0, 4, 0], [0, 0, 4]], [0, 0, 0]), one_bright_square()
    bright = film[..., 0] == 255
    assert not grad_cam(network, film, class_number=0).any()
    assert np.array_equal(grad_cam(network, film, class_number=1), bright)
    assert np.array_equal(grad_cam(network, film, class_number=2), ~bright)
    # The logits are 0, 4 · 4 / 64 and 4 · 60 / 64; that of any but normal is the logarithm of the sum of e to them.
    shares = np.exp([4 * 4 / 64, 4 * 60 / 64])
    assert grad_cam(network, film)[bright] == pytest.approx(shares[0] / shares[1])
    assert np.array_equal(grad_cam(network, film) == 1, ~bright)
    with pytest.raises(ValueError, match="class_number is 3, but the network has classes 0 to 2"):
        grad_cam(network, film, class_number=3)


def test_a_saturated_output_still_has_its_evidence():
    """The sigmoid of 100 is 1 and flat; what is explained is the score before it."""
    film = one_bright_square()
    assert np.array_equal(grad_cam(by_hand(1, [[3], [-2]], [100]), film), film[..., 0] == 255)


def test_a_film_without_evidence_has_zeros_and_does_not_touch_its_neighbour():
    network = by_hand(1, [[3], [-2]], [0])
    films = np.concatenate([np.zeros_like(one_bright_square()), one_bright_square()] * 10)  # more than a batch
    heat = grad_cam(network, films)
    assert not heat[::2].any()
    assert np.array_equal(heat[1::2], (films[..., 0] == 255)[1::2])


def test_the_map_is_of_a_place_that_everything_passes_through():
    """A branch that bypasses the last map would make its gradient half of the truth."""
    film = keras.Input((16, 16, 1))
    x = layers.Conv2D(4, 3, padding="same", name="all")(layers.Rescaling(1 / 255)(film))
    branch = layers.Conv2D(4, 3, padding="same", name="branch")(x)
    x = layers.MaxPooling2D(4)(layers.Add(name="sum")([x, branch]))  # 4 × 4: too few places
    network = keras.Model(film, probabilities(layers.Flatten()(x), 1))
    films = noise(2, 16)
    maps = keras.ops.convert_to_numpy(keras.Model(film, network.get_layer("sum").output)(films))
    kernel = keras.ops.convert_to_numpy(network.get_layer("probability").kernel).reshape(16, 4)
    # The largest of each of the 16 windows has its kernel as its gradient, the other places have none.
    wanted = np.maximum((maps * kernel.sum(axis=0) / 256).sum(axis=-1), 0)
    assert grad_cam(network, films) == pytest.approx(wanted / wanted.max(axis=(1, 2), keepdims=True), abs=1e-5)


def test_mixed_precision_gives_nearly_the_same_map(make_params):
    films = noise(2, 64)
    full = build(make_params, "cnn", 64)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = build(make_params, "cnn", 64)
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.set_weights(full.get_weights())
    assert np.corrcoef(grad_cam(full, films).ravel(), grad_cam(mixed, films).ravel())[0, 1] > 0.98


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_give_the_same_map(make_params, tmp_path, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    network = build(make_params, "resnet", 64)
    network.save(tmp_path / "model.keras")
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(Path(REPOSITORY, "src"))}
    subprocess.run([sys.executable, "-c", OTHER_BACKEND], cwd=tmp_path, env=environment, check=True, timeout=240)
    assert np.load(tmp_path / "heat.npy") == pytest.approx(grad_cam(network, noise(2, 64)), abs=1e-3)


def test_the_overlay_colours_what_is_hot_and_fits_a_film_of_another_shape():
    film = np.full((60, 30), 100, np.uint8)
    heat = np.zeros((20, 20), np.float32)
    heat[:10] = 1
    picture = lay_heat_over(film, heat)
    assert (picture.shape, picture.dtype) == ((60, 30, 3), np.uint8)
    assert (picture[45:] == 100).all()  # where it is cold, the film as it is
    # Plasma ends in (240, 249, 33): 0.4 · 100 + 0.6 · colour.
    assert picture[10, 15].tolist() == [184, 189, 60]
