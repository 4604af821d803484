"""AlexNet (Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, NeurIPS 2012) as
published: convolutions in two groups (for the two GPUs of then), local response normalisation, overlapping pooling, and
the paper's first weights and biases. 60,965,224 parameters at 227 × 227 and 1,000 classes.
"""

from __future__ import annotations

from pneumonia.models.shared.ends import Scale, film_input, probabilities
from pneumonia.models.shared.lazy_keras import keras, layers
from pneumonia.models.shared.local_response import local_response
from pneumonia.models.shared.settings import Scratch

Settings = Scratch
INPUT_SIZE = 227  # as published
CENTRED = Scale((1.0,) * 3, (-127.5,) * 3)  # the paper subtracts the mean picture and scales nothing


def build(settings: Settings, image_size: int, outputs: int, weights: str | None) -> keras.Model:
    """The network with random weights (see `models.shared.building`); `weights` is None: Keras has no published ones.

    Raises:
        ValueError: `image_size` is under 67: the poolings leave nothing of it.
    """
    if image_size < 67:
        raise ValueError("its strides and poolings need films of 67 pixels or more")
    film, x = film_input(image_size, CENTRED)
    x = _conv(x, 96, 11, "conv1", strides=4, padding="valid")
    x = layers.MaxPooling2D(3, 2, name="pool1")(local_response(x))
    x = _conv(x, 256, 5, "conv2", groups=2, bias=1)
    x = layers.MaxPooling2D(3, 2, name="pool2")(local_response(x))
    x = _conv(x, 384, 3, "conv3")
    x = _conv(x, 384, 3, "conv4", groups=2, bias=1)
    x = _conv(x, 256, 3, "conv5", groups=2, bias=1)
    x = layers.MaxPooling2D(3, 2, name="pool5")(x)
    x = layers.Flatten(name="flatten")(x)
    for name in ("fc6", "fc7"):
        x = layers.Dense(4096, "relu", kernel_initializer=_gaussian(), bias_initializer="ones", name=name)(x)
        x = layers.Dropout(0.5, name=f"{name}_dropout")(x)
    return keras.Model(film, probabilities(x, outputs), name="alexnet")


def _conv(
    x: keras.KerasTensor,
    filters: int,
    kernel: int,
    name: str,
    strides: int = 1,
    padding: str = "same",
    groups: int = 1,
    bias: float = 0,
) -> keras.KerasTensor:
    return layers.Conv2D(
        filters,
        kernel,
        strides,
        padding,
        groups=groups,
        activation="relu",
        kernel_initializer=_gaussian(),
        bias_initializer=keras.initializers.Constant(bias),
        name=name,
    )(x)


def _gaussian() -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=0.01)
