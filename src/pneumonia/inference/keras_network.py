"""A network by Keras: for Grad-CAM, which needs its gradients, and where there is no ONNX twin."""

import keras
import numpy as np

from pneumonia.inference.network import BATCH, Shape


class KerasNetwork:
    """The `Network` that a Keras model is."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.film_shape: Shape = tuple(model.input_shape[1:])
        self.output_shapes: list[Shape] = [tuple(output.shape[1:]) for output in model.outputs]

    def __call__(self, films: np.ndarray) -> list[np.ndarray]:
        """The outputs for the `films`: see `Network`. A batch that is not full, but of more than one, is padded: Keras
        compiles anew for each new shape.
        """
        padding = BATCH - len(films) if len(films) > 1 else 0
        padded = np.pad(films, ((0, padding), *[(0, 0)] * 3))
        # For one film, three times as fast as calling the model, which compiles nothing.
        outputs = keras.tree.flatten(self.model.predict_on_batch(padded))
        return [np.asarray(output)[: len(films)] for output in outputs]
