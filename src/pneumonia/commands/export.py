"""A registered network in the formats of other runtimes, checked against Keras before it is handed out."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import keras
import numpy as np

from pneumonia.commands.places import films_in
from pneumonia.errors import UserError
from pneumonia.inference.predictor import Predictor
from pneumonia.outputs import whole_directory
from pneumonia.radiographs.radiograph import UnreadableRadiograph
from pneumonia.radiographs.read import read_radiograph, resize
from pneumonia.registry.version_files import registered_model

ExportFormat = Literal["onnx", "saved_model"]
TOLERANCE = 1e-4
"""By how much an output may differ from Keras'."""


CHECKED = 32
"""The most films that an export is checked on."""


def export_registered(address: str, places: Sequence[Path], kind: ExportFormat, out: Path) -> float:
    """Export the registered model at `address` (see `export`), checked on the first films in `places`.

    Raises:
        UserError: as `export`, a model that cannot be had, or a film that cannot be read.
    """
    files = films_in(places)[:CHECKED]
    with registered_model(address) as (directory, _):
        predictor = Predictor.load(directory)
        films = []
        for file in files:
            try:
                films.append(resize(read_radiograph(file).pixels, predictor.decision.image_size))
            except UnreadableRadiograph as error:
                raise UserError(f"{file}: {error}") from error
        return export(predictor.network, directory / "decision.json", np.stack(films)[..., None], kind, out)


def export(network: keras.Model, decision: Path, films: np.ndarray, kind: ExportFormat, out: Path) -> float:
    """Write `network`, and what turns its probabilities into a prediction, into the directory `out`, or nothing at all.

    `out` gets `decision.json` (see `decision`) and `model.onnx` or `saved_model/`. These take greys from 0 to 255,
    float32 (N, S, S, 1), and give what the network gives. They are checked on `films`, uint8 (N, S, S, 1).

    Returns:
        The greatest difference from Keras in any probability, or in any place of a localiser's map.

    Raises:
        UserError: `out` exists already, or the exported network says something else than Keras.
    """
    if out.exists():
        raise UserError(f"{out} exists already; --output may be a new directory")
    greys = films.astype("float32")
    expected = keras.tree.flatten(network.predict(greys, verbose=0))
    with whole_directory(out) as directory:
        run = _to_onnx(network, directory) if kind == "onnx" else _to_saved_model(network, directory)
        difference = max(float(np.abs(got - want).max()) for got, want in zip(run(greys), expected, strict=True))
        if not difference <= TOLERANCE:
            raise UserError(f"the {kind} model differs from Keras by {difference:.2g}; at most {TOLERANCE:g} is right")
        shutil.copy(decision, directory / "decision.json")
    return difference


def _to_onnx(network: keras.Model, directory: Path) -> Callable[[np.ndarray], list[np.ndarray]]:
    import onnxruntime

    network.export(directory / "model.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(directory / "model.onnx", providers=["CPUExecutionProvider"])
    [film] = session.get_inputs()
    return lambda greys: session.run(None, {film.name: greys})


def _to_saved_model(network: keras.Model, directory: Path) -> Callable[[np.ndarray], list[np.ndarray]]:
    import tensorflow as tf

    network.export(directory / "saved_model", format="tf_saved_model", verbose=False)
    loaded = tf.saved_model.load(directory / "saved_model")
    return lambda greys: [output.numpy() for output in keras.tree.flatten(loaded.serve(greys))]
