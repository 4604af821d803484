"""Local response normalisation (Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks,
NeurIPS 2012, section 3.3).
"""

from __future__ import annotations

from pneumonia.models.shared.lazy_keras import keras, ops

NEIGHBOURS, OFFSET, SLOPE, EXPONENT = 5, 2.0, 1e-4, 0.75
"""n, k, α and β of the paper."""


def local_response(x: keras.KerasTensor) -> keras.KerasTensor:
    """Activations (B, H, W, C), each divided by (k + α Σ a²)^β over the n channels around it.

    Built of operations of Keras alone, so that a saved model loads without this package.
    """
    _, height, width, channels = x.shape
    reach = NEIGHBOURS // 2
    squares = ops.pad(ops.square(x), ((0, 0), (0, 0), (0, 0), (reach, reach)))
    # With the channels as columns of a picture, a mean over n of them is a pooling, which every backend has.
    rows = ops.reshape(squares, (-1, height * width, channels + 2 * reach, 1))
    sums = NEIGHBOURS * ops.average_pool(rows, (1, NEIGHBOURS), strides=1, padding="valid")
    return x / ops.power(OFFSET + SLOPE * ops.reshape(sums, (-1, height, width, channels)), EXPONENT)
