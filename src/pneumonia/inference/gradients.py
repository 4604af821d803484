"""The gradient of a number with respect to an array, the one way that is the same on all backends of Keras."""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops


def gradient(number: Callable[[keras.KerasTensor], keras.KerasTensor], at: np.ndarray) -> np.ndarray:
    """The gradient, float32 of the shape of `at`, of `number` where its tensor is `at`, float32 (N, …).

    `number` gives one number, of operations and networks of Keras, which it calls with `training=False`; their weights
    stay as they are.
    """
    learner = _Learner(number, at.shape)
    learner.compile(keras.optimizers.SGD(1.0), run_eagerly=True)  # for one step, compiling takes longer than the step
    learner.train_on_batch(at)
    return -ops.convert_to_numpy(learner.offset)


class _Learner(keras.Model):
    """A learner of an offset on the array, zeros at first, and of nothing else.

    Its loss is the number, so what one step of SGD at a rate of 1 takes off the offset is the number's gradient.
    """

    def __init__(self, number: Callable[[keras.KerasTensor], keras.KerasTensor], shape: tuple[int, ...]) -> None:
        super().__init__(name="offset_learner", dtype="float32")
        self.number = number
        self.offset = self.add_weight(shape=shape, initializer="zeros", name="offset")

    def call(self, at: keras.KerasTensor) -> keras.KerasTensor:
        """The array (N, …) → the number (), which is added to the loss."""
        number = self.number(at + self.offset)
        self.add_loss(number)
        return number
