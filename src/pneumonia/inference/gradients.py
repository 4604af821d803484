"""The gradient of a number with respect to an array, in the one way that is the same on all backends of Keras."""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops


def gradient(number: Callable[[keras.KerasTensor], keras.KerasTensor], at: np.ndarray) -> np.ndarray:
    """The gradient of `number` at the array `at`, float32 (N, …): float32 of the same shape.

    `number` computes one number by operations and networks of Keras, which it calls with `training=False`. Their
    weights stay as they are.
    """
    learner = _Learner(number, at.shape)
    learner.compile(keras.optimizers.SGD(1.0), run_eagerly=True)  # for one step, compiling takes longer than the step
    learner.train_on_batch(at)
    return -ops.convert_to_numpy(learner.offset)


class _Learner(keras.Model):
    """A model that learns an offset to the array, at first zeros, and nothing else.

    Its loss is the number, so one step of SGD at a rate of 1 takes the number's gradient off the offset.
    """

    def __init__(self, number: Callable[[keras.KerasTensor], keras.KerasTensor], shape: tuple[int, ...]) -> None:
        super().__init__(name="offset_learner", dtype="float32")
        self.number = number
        self.offset = self.add_weight(shape=shape, initializer="zeros", name="offset")

    def call(self, at: keras.KerasTensor) -> keras.KerasTensor:
        """The number, (), for the array, (N, …), plus the offset; it is added to the loss."""
        number = self.number(at + self.offset)
        self.add_loss(number)
        return number
