"""Build the chosen network by `build(settings, image_size, outputs, weights)` in `models/NAME/network.py`.

Every network takes grey films (B, S, S, 1), values 0 to 255, and brings them to the scale that its weights expect. Its
layer `probability` gives float32 probabilities: with two classes that of the second, (B, 1), else those of all classes,
(B, C). Networks for the task `localize` also give a map, from a layer `map`: see `models.shared.head`. A network is one
flat graph of Keras' own layers and operations, so a saved one loads without this package.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import h5py
import keras

from pneumonia.errors import UserError, few
from pneumonia.models.shared.weights import load_weights
from pneumonia.params.choices import network
from pneumonia.params.load import Params
from pneumonia.params.paths import user_path

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Network:
    """A built network and where its first weights came from: `imagenet`, `random`, or a file's path."""

    model: keras.Model
    weights: str


def build_network(params: Params) -> Network:
    """The chosen model with the weights that its block in params.yaml asks for.

    Raises:
        UserError: weights that cannot be had, are damaged or do not fit, or an image size that the model cannot take.
    """
    asked = params.chosen_model.weights
    if asked not in ("auto", "imagenet"):
        model = _build(params, None)
        if asked != "random":
            load_weights(model, user_path(asked))
        return Network(model, asked)
    try:
        return Network(_build(params, "imagenet"), "imagenet")
    except UserError:
        raise
    except Exception as error:
        if type(error) is not Exception:  # Keras raises a bare one where it can neither find nor fetch the weights
            raise UserError(f"models.{params.model}.weights is {asked}, {_which_are_damaged(error)}") from error
        if asked == "imagenet":
            raise UserError(
                f"models.{params.model}.weights is imagenet, but the weights are neither in Keras' cache nor "
                f"can they be fetched ({_one_line(error)}); it may be auto, random or a path"
            ) from error
        log.warning("NO PRETRAINED WEIGHTS: %s; all layers start from RANDOM weights", _one_line(error))
        return Network(_build(params, None), "random")


def _build(params: Params, weights: str | None) -> keras.Model:
    outputs = 1 if len(params.classes) == 2 else len(params.classes)
    try:
        model: keras.Model = network(params.model).build(params.chosen_model, params.clean.image_size, outputs, weights)
    except ValueError as error:
        raise UserError(
            f"models.{params.model} cannot be built at clean.image_size {params.clean.image_size}: {_one_line(error)}"
        ) from error
    return model


def _which_are_damaged(error: Exception) -> str:
    """What to do about ImageNet weights that are there and cannot be read."""
    folder = Path(keras.src.backend.config.keras_home()).expanduser() / "models"  # Keras has no public name for it
    damaged = [str(file) for file in sorted(folder.glob("*.h5")) if not _opens(file)]
    return (
        f"but the ImageNet weights cannot be read ({_one_line(error)}); remove {few(damaged) if damaged else folder} "
        f"to have them fetched anew"
    )


def _opens(file: Path) -> bool:
    try:
        with h5py.File(file):
            return True
    except OSError:
        return False


def _one_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
