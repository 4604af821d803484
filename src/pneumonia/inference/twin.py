"""A Keras network's twin in ONNX: written only if it says of films what Keras says."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from pneumonia.errors import UserError, why_full
from pneumonia.inference.keras_network import KerasNetwork
from pneumonia.inference.network import BATCH
from pneumonia.inference.onnx_network import OnnxNetwork

Outputs = Callable[[np.ndarray], list[np.ndarray]]
"""What gives a network's outputs for a batch of films: see `Network`."""

TOLERANCE = 1e-4
"""By how much any output may differ from Keras': a probability, or a place of a localiser's map."""


def write_twin(model: keras.Model, films: np.ndarray, path: Path) -> float:
    """Write `model` to the ONNX file `path`, or nothing at all; `films`, uint8 (N, S, S, 1), are what it is checked on.

    Whoever calls it says what a full disk means.

    Returns:
        The `greatest_difference` from Keras.

    Raises:
        UserError: it cannot be converted, or says something else than Keras.
        OSError: the disk is full.
    """
    # By another name: TensorFlow exports none that begins with a line, as ConvNeXt's once did.
    model = keras.Model(model.inputs, model.outputs, name="network")
    original = KerasNetwork(model)
    original(films[:1])  # Keras exports no model that was never called
    try:
        return greatest_difference(_convert(model, path), original, films)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _convert(model: keras.Model, path: Path) -> OnnxNetwork:
    try:
        with warnings.catch_warnings(action="ignore"), _functions_inlined():
            logging.getLogger("tf2onnx").setLevel(logging.WARNING)  # it tells of every node that it saves
            import pneumonia.inference.erfc  # noqa: F401

            model.export(path, format="onnx", verbose=False)
        return OnnxNetwork(path)
    except Exception as error:  # tf2onnx raises anything
        if why_full(error):
            raise
        reason = " ".join(str(error).replace(f"{path}: ", "").split())[:200] or type(error).__name__
        raise UserError(f"the network cannot be converted to ONNX ({reason})") from error


def greatest_difference(twin: Outputs, original: Outputs, films: np.ndarray) -> float:
    """The greatest difference between the outputs of two networks for `films`, uint8 (N, S, S, 1).

    Raises:
        UserError: it is above `TOLERANCE`.
    """
    greatest = 0.0
    for start in range(0, len(films), BATCH):
        greys = np.asarray(films[start : start + BATCH], np.float32)
        both = zip(twin(greys), original(greys), strict=True)
        difference = float(np.max([np.abs(got - expected).max() for got, expected in both]))
        if not difference <= TOLERANCE:  # as NaN is not either
            raise UserError(f"it differs from Keras by {difference:.2g}; at most {TOLERANCE:g} is right")
        greatest = max(greatest, difference)
    return greatest


@contextmanager
def _functions_inlined() -> Iterator[None]:
    """Have TensorFlow trace functions within a network as part of it: ONNX knows no calls.

    Keras has one for each convolution in groups, as AlexNet's.
    """
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)
