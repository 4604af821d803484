"""The ONNX twin of a network: it says what Keras says, or there is none."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from pneumonia.errors import UserError
from pneumonia.inference.keras_network import KerasNetwork
from pneumonia.inference.onnx_network import OnnxNetwork
from pneumonia.inference.predictor import TWIN, Predictor
from pneumonia.inference.twin import TOLERANCE, greatest_difference, write_twin
from pneumonia.models.shared.building import build_network
from pneumonia.models.shared.head import find_head
from pneumonia.params.choices import networks

from ..conftest import slow_but
from ..small_classifier import (
    SIZE,
    brightness_network,
    decision,
    localising,
    png,
    spot_localiser,
    spotted,
    thorax,
    write_with_twin,
)

SMALLEST = {"alexnet": 67, "googlenet": 80, "inception": 75}
HEADS = ("probability", "coarse_mask", "heat", "edges")
"""The layers that give the outputs."""


def films(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 1), dtype=np.uint8)


def smooth_films(count: int, size: int) -> np.ndarray:
    """Films as unlike each other as one can see: of other brightness and contrast, with other shapes."""
    rng = np.random.default_rng(1)
    y, x = np.indices((size, size)) / size
    waves = [
        rng.uniform(60, 190) + rng.uniform(20, 60) * np.sin(2 * np.pi * (a * x + b * y))
        for a, b in rng.uniform(-4, 4, (count, 2))
    ]
    return np.stack(waves)[..., None].astype(np.uint8)


def as_if_trained(model: keras.Model, images: np.ndarray) -> None:
    """Give batch norms statistics of the images and scales of their own, and spread the outputs over the images."""
    rng = np.random.default_rng(2)
    layers = [each for each in model._flatten_layers() if not isinstance(each, keras.Model)]
    for norm in (each for each in layers if isinstance(each, keras.layers.BatchNormalization)):
        norm.momentum = 0.0
        for weight, middle in ((norm.gamma, 1.0), (norm.beta, 0.0)):
            if weight is not None:
                weight.assign(rng.normal(middle, 0.1, weight.shape))
    model(images.astype("float32"), training=True)
    for head in (each for each in layers if each.name in (*HEADS, *model.output_names) and hasattr(each, "kernel")):
        seen = keras.Model(model.inputs, head.input).predict(images, verbose=0)
        centred = (seen := seen.reshape(-1, seen.shape[-1])) - seen.mean(0)
        kernel = centred.T @ rng.normal(size=(len(seen), head.kernel.shape[-1]))  # along what tells the films apart
        kernel /= 2 * (seen @ kernel).std(0)
        head.kernel.assign(kernel.reshape(head.kernel.shape))
        head.bias.assign(-seen.mean(0) @ kernel)


@pytest.mark.parametrize("name", slow_but(["cnn"], networks()))
def test_each_network_has_a_twin_that_says_what_keras_says(make_params, tmp_path, name):
    size, task = SMALLEST.get(name, SIZE), "localize" if find_head(name) else "binary"
    keras.utils.set_random_seed(0)
    changes = {"model": name, "task": task, "clean.image_size": size, f"models.{name}.weights": "random"}
    model = build_network(make_params(changes)).model
    shown = smooth_films(40, size)
    as_if_trained(model, shown)
    assert write_twin(model, shown[:3], tmp_path / TWIN) <= TOLERANCE
    twin = OnnxNetwork(tmp_path / TWIN)
    for got, expected in zip(twin(shown), keras.tree.flatten(model.predict(shown, verbose=0)), strict=True):
        assert np.ptp(expected, axis=0).max() > 0.01  # films get different answers, so that a wrong one would show
        assert got == pytest.approx(expected, abs=1e-4)
    assert (twin.film_shape, twin.output_shapes) == ((size, size, 1), KerasNetwork(model).output_shapes)


def test_any_film_and_any_output_may_be_what_differs():
    ones = np.ones((40, 2), np.float32)

    def original(greys: np.ndarray) -> list[np.ndarray]:
        return [ones[: len(greys)], greys[:, 0, 0]]

    def differing(by: float):
        return lambda greys: [ones[: len(greys)], greys[:, 0, 0] + by * (greys[:, 0, 0] == 39)]

    of_greys = np.arange(40, dtype=np.uint8)[:, None, None, None]
    assert greatest_difference(differing(2**-14), original, of_greys) == 2**-14
    with pytest.raises(UserError, match=r"it differs from Keras by 0\.00012; at most 0\.0001 is right"):
        greatest_difference(differing(2**-13), original, of_greys)
    with pytest.raises(UserError, match="differs from Keras by nan"):
        greatest_difference(differing(np.nan), original, of_greys)


def test_what_onnx_does_not_know_leaves_no_file(tmp_path):
    film = keras.Input((SIZE, SIZE, 1))
    unknown = keras.layers.Lambda(lambda x: keras.ops.erfinv(x / 256))(film)
    model = keras.Model(film, keras.layers.GlobalAveragePooling2D()(unknown))
    with pytest.raises(UserError, match="the network cannot be converted to ONNX") as caught:
        write_twin(model, films(2, SIZE), tmp_path / TWIN)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


WITHOUT_KERAS = """
import sys
sys.modules.update(dict.fromkeys(["keras", "tensorflow", "h5py"]))
from pathlib import Path
from pneumonia.inference.predictor import Predictor
[prediction] = Predictor.load(Path(sys.argv[1])).predict_files([Path(sys.argv[2])])
print(prediction.probability, [box[:4] for box in prediction.boxes or []])
"""


@pytest.mark.parametrize("boxes", [False, True])
def test_the_twin_answers_where_there_is_no_keras(tmp_path, boxes):
    if boxes:
        write_with_twin(tmp_path, spot_localiser(), localising())
    else:
        write_with_twin(tmp_path, brightness_network(), decision())
    film = spotted((16, 12, 40, 36, 200)) if boxes else thorax(0)
    (tmp_path / "film.png").write_bytes(png(film))
    said = subprocess.run(
        [sys.executable, "-c", WITHOUT_KERAS, str(tmp_path), str(tmp_path / "film.png")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if boxes:
        assert said.endswith("[(16.0, 12.0, 40.0, 36.0)]\n")
    else:
        assert float(said.split()[0]) == pytest.approx(film.mean() / 255, abs=0.003)


def test_the_twin_and_not_keras_is_asked_where_both_are_there(tmp_path):
    write_with_twin(tmp_path, brightness_network(), decision())
    (tmp_path / "model.keras").write_bytes(b"damaged")
    predictor = Predictor.load(tmp_path)
    [prediction] = predictor.predict_files([png(thorax(0))])
    assert prediction.probability == pytest.approx(thorax(0).mean() / 255, abs=0.003)
    with pytest.raises(UserError, match=r"model\.keras: cannot be read"):
        predictor.keras_model()


def test_what_is_no_twin_is_one_line(tmp_path):
    write_with_twin(tmp_path, brightness_network(), decision())
    whole = (tmp_path / TWIN).read_bytes()
    for data in (b"", bytes(100), whole[: len(whole) // 2], whole[:-20], np.random.default_rng(0).bytes(999)):
        (tmp_path / TWIN).write_bytes(data)
        with pytest.raises(UserError, match=r"model\.onnx: ") as caught:
            Predictor.load(tmp_path)
        assert "\n" not in str(caught.value)
    write_twin(network_of(32), films(2, 32), tmp_path / TWIN)
    with pytest.raises(UserError, match=r"model\.onnx: takes \(32, 32, 1\) and gives \(1,\), decision\.json is for"):
        Predictor.load(tmp_path)


def network_of(size: int) -> keras.Model:
    film = keras.Input((size, size, 1))
    return keras.Model(film, keras.layers.GlobalAveragePooling2D()(film))


def test_what_a_decision_has_for_its_users_is_told_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_with_twin(tmp_path, brightness_network(), decision())
    Predictor.load(tmp_path)
    assert capsys.readouterr().err == ""
    decision().model_copy(update={"notice": "For children."}).save(tmp_path / "decision.json")
    Predictor.load(tmp_path)
    assert capsys.readouterr().err == "For children.\n"
