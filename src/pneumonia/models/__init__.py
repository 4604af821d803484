"""The networks: a file each, named as `model` in params.yaml, each with `build(settings, image_size, weights)`.

Every network takes grey films (B, S, S, 1), values 0 to 255, brings them to the scale that its weights expect, and
gives the probability of pneumonia, float32 (B, 1), from a last layer named `probability`. It is one flat graph.
"""

import logging
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import keras

from pneumonia.errors import UserError
from pneumonia.params import Params, user_path

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Network:
    """A built network and where its first weights came from: `imagenet`, `random`, or a file's path."""

    model: keras.Model
    weights: str


def build_network(params: Params) -> Network:
    """The chosen model with the weights that its block in params.yaml asks for.

    Raises:
        UserError: weights that cannot be had or do not fit, or an image size that the model cannot take.
    """
    settings, asked = params.chosen_model, params.chosen_model.weights
    build = import_module(f"pneumonia.models.{params.model}").build
    try:
        if asked in ("auto", "imagenet"):
            try:
                return Network(build(settings, params.clean.image_size, "imagenet"), "imagenet")
            except ValueError:
                raise
            except Exception as error:  # Keras raises a bare Exception when it can neither find nor fetch the weights.
                if asked == "imagenet":
                    raise UserError(
                        f"models.{params.model}.weights is imagenet, but the weights are neither in Keras' cache nor "
                        f"can they be fetched ({_one_line(error)}); it may be auto, random or a path"
                    ) from error
                log.warning("NO PRETRAINED WEIGHTS: %s; all layers start from RANDOM weights", _one_line(error))
                return Network(build(settings, params.clean.image_size, None), "random")
        model = build(settings, params.clean.image_size, None)
    except ValueError as error:
        raise UserError(
            f"models.{params.model} cannot be built at clean.image_size {params.clean.image_size}: {_one_line(error)}"
        ) from error
    if asked != "random":
        load_weights(model, user_path(asked))
    return Network(model, asked)


def load_weights(model: keras.Model, path: Path) -> None:
    """Load a `.keras` or `.weights.h5` file into `model`.

    Raises:
        UserError: no such file, not such a file, or weights of other shapes than the model's.
    """
    if not path.is_file():
        raise UserError(f"weights {path}: no such file")
    try:
        if path.suffix == ".keras":
            model.set_weights(keras.saving.load_model(path, compile=False).get_weights())
        else:
            model.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise UserError(f"weights {path}: do not fit model {model.name} ({_one_line(error)})") from error


def _one_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
