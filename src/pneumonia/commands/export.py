"""A registered network in the formats of other runtimes, checked against Keras before it is handed out."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import keras
import numpy as np

from pneumonia.commands.places import films_in
from pneumonia.errors import UserError
from pneumonia.inference.keras_network import KerasNetwork
from pneumonia.inference.predictor import DECISION, TWIN, Predictor
from pneumonia.inference.twin import greatest_difference, write_twin
from pneumonia.outputs import whole_directory
from pneumonia.radiographs.radiograph import UnreadableRadiograph
from pneumonia.radiographs.read import read_radiograph, resize
from pneumonia.registry.version_files import card_of, name_in, registered_model

ExportFormat = Literal["onnx", "saved_model"]
CHECKED = 32
"""The most films that an export is checked on."""


def export_registered(address: str, places: Sequence[Path], kind: ExportFormat, out: Path) -> float:
    """Export the registered model at `address` (see `export`), checked on the first films in `places`.

    Raises:
        UserError: as `export`, a model that cannot be had, or a film that cannot be read.
    """
    files = films_in(places)[:CHECKED]
    with registered_model(address) as (directory, version):
        predictor = Predictor.load(directory)
        films = []
        for file in files:
            try:
                films.append(resize(read_radiograph(file).pixels, predictor.decision.image_size))
            except UnreadableRadiograph as error:
                raise UserError(f"{file}: {error}") from error
        card = card_of(name_in(address), version)
        return export(predictor.keras_model(), directory / DECISION, card, np.stack(films)[..., None], kind, out)


def export(model: keras.Model, decision: Path, card: str, films: np.ndarray, kind: ExportFormat, out: Path) -> float:
    """Write `model`, and what turns its probabilities into a prediction, into the directory `out`, or nothing at all.

    `out` gets `decision.json` (see `decision`), `card.md`, and `model.onnx` or `saved_model/`. These take greys from 0
    to 255, float32 (N, S, S, 1), and give what the model gives. They are checked on `films`, uint8 (N, S, S, 1).

    Returns:
        The greatest difference from Keras in any probability, or in any place of a localiser's map.

    Raises:
        UserError: `out` exists already, or the exported network says something else than Keras.
    """
    if out.exists():
        raise UserError(f"{out} exists already; --output may be a new directory")
    with whole_directory(out) as directory:
        shutil.copy(decision, directory / DECISION)
        (directory / "card.md").write_text(card, encoding="utf-8")
        if kind == "onnx":
            return write_twin(model, films, directory / TWIN)
        original = KerasNetwork(model)
        original(films[:1])  # Keras exports no model that was never called
        return greatest_difference(_saved_model(model, directory / "saved_model"), original, films)


def _saved_model(model: keras.Model, directory: Path) -> Callable[[np.ndarray], list[np.ndarray]]:
    import tensorflow as tf

    model.export(directory, format="tf_saved_model", verbose=False)
    loaded = tf.saved_model.load(directory)
    return lambda greys: [output.numpy() for output in keras.tree.flatten(loaded.serve(greys))]
