import json
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from mlflow import MlflowClient
from onnxruntime import InferenceSession
from typer.testing import CliRunner

from pneumonia.commands.cli import app
from pneumonia.commands.export import export
from pneumonia.inference.predictor import Predictor
from pneumonia.models.resnet import network as resnet
from pneumonia.radiographs.read import resize

from ..small_classifier import (
    SIZE,
    decision,
    localising,
    png,
    register_classifier,
    spot_localiser,
    spotted,
    thorax,
    write_classifier,
)

REAL_FILMS = Path(__file__).parents[2] / ".." / "shared" / "data" / "chest_xray" / "test"
CARD = "# A model\n\nof films under CC BY 4.0 by “Mendeley”\n"


@pytest.fixture
def registry(tmp_path, make_params, monkeypatch) -> Path:
    """A folder with a registered residual network and two films."""
    network = resnet.build(make_params().models.resnet, 64, 1, None)
    network.get_layer("probability").bias.assign([0.3])
    models = write_classifier(tmp_path / "models", network, decision(threshold=0.4))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", register_classifier(tmp_path, models))
    monkeypatch.chdir(tmp_path)
    MlflowClient(os.environ["MLFLOW_TRACKING_URI"]).update_model_version("pneumonia-binary", "1", description=CARD)
    for number in range(2):
        Path(f"{number}.png").write_bytes(png(thorax(number)))
    return tmp_path


def run_onnx(folder: Path, films: np.ndarray) -> np.ndarray:
    session = InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: films})[0]


def run_saved_model(folder: Path, films: np.ndarray) -> np.ndarray:
    loaded = tf.saved_model.load(folder / "saved_model")  # its variables live as long as this name
    return loaded.serve(films).numpy()


@pytest.mark.parametrize(
    ("form", "run"), [("onnx", run_onnx), pytest.param("saved_model", run_saved_model, marks=pytest.mark.slow)]
)
def test_other_runtimes_say_what_keras_says_of_any_number_of_films(registry, form, run):
    said = CliRunner().invoke(app, ["export", "0.png", "1.png", "--format", form, "--output", "out"])
    assert said.exit_code == 0, said.output
    films = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 1)).astype("float32")
    expected = Predictor.load(registry / "models").keras_model().predict(films, verbose=0)
    assert run(registry / "out", films) == pytest.approx(expected, abs=1e-4)
    assert json.loads((registry / "out" / "decision.json").read_text())["threshold"] == 0.4
    assert (registry / "out" / "card.md").read_text(encoding="utf-8") == CARD

    again = CliRunner().invoke(app, ["export", "0.png", "--format", form, "--output", "out"])
    assert (again.exit_code, again.stderr) == (1, "error: out exists already; --output may be a new directory\n")


@pytest.mark.parametrize("form", ["onnx", "saved_model"])
def test_a_localiser_goes_with_its_map_and_its_probability(tmp_path, form):
    network = spot_localiser()
    films = np.stack([resize(spotted((20, 20, 40, 40, grey)), SIZE) for grey in (160, 220)])[..., None]
    localising().save(tmp_path / "decision.json")
    export(network, tmp_path / "decision.json", "# Spots", films, form, tmp_path / "out")
    greys, expected = films.astype("float32"), network.predict(films, verbose=0)
    if form == "onnx":
        said = InferenceSession(tmp_path / "out" / "model.onnx").run(None, {"film": greys})
    else:
        loaded = tf.saved_model.load(tmp_path / "out" / "saved_model")
        said = [output.numpy() for output in loaded.serve(greys)]
    assert [each.shape for each in said] == [(2, SIZE, SIZE, 1), (2, 1)]
    for got, want in zip(said, expected, strict=True):
        assert got == pytest.approx(want, abs=1e-4)


@pytest.mark.slow
def test_it_is_checked_on_real_films(registry):
    if not REAL_FILMS.is_dir():
        pytest.skip("there are no real films beside the repository")
    films = [str(film) for film in sorted(REAL_FILMS.resolve().rglob("*.jpeg"))[:8]]
    said = CliRunner().invoke(app, ["export", *films, "--format", "onnx", "--output", "out"])
    assert said.exit_code == 0, said.output
    assert float(said.stdout.split(" by ")[1].split()[0]) <= 1e-4


def test_a_film_that_cannot_be_read_leaves_nothing(registry):
    Path("text.png").write_text("no film")
    said = CliRunner().invoke(app, ["export", "text.png", "--format", "onnx", "--output", "out"])
    assert said.stderr == "error: text.png: not an image: neither JPEG nor PNG nor DICOM\n"
    assert not Path("out").exists()
