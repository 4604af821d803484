"""The separable CNN that the notebooks on the Kermany films train from scratch.

At 299 × 299 it has 1,321,953 parameters, 1,319,329 of them trainable.
"""

import keras
from keras import layers

from pneumonia.models.grey_input import grey_input
from pneumonia.params import Cnn

BATCH_NORM_MOMENTUM = 0.9  # Keras' 0.99 needs some hundred steps before validation means anything; 40 make an epoch.


def build(settings: Cnn, image_size: int, weights: str | None) -> keras.Model:
    """The network with random weights (see `models`); `weights` is None, there are no published ones.

    Raises:
        ValueError: `image_size` is under 64, which six halvings leave nothing of.
    """
    if image_size < 64:
        raise ValueError("it halves the film six times, so the size may be 64 or more")
    film, x = grey_input(image_size, scale=1 / 255, offset=0.0)
    x = layers.Conv2D(16, 3, activation="relu", padding="same")(x)
    x = layers.Conv2D(16, 3, activation="relu", padding="same")(x)
    x = layers.MaxPooling2D()(x)
    for filters in (32, 64, 128):
        x = _separable_block(x, filters)
    x = layers.Dropout(0.2)(x)
    x = _separable_block(x, 256)
    x = layers.Dropout(0.2)(x)
    x = _separable_block(x, 128)
    x = layers.Dropout(0.2)(x)
    x = layers.Flatten()(x)
    for units, dropout in ((512, 0.7), (128, 0.5), (64, 0.3)):
        x = layers.Dense(units, activation="relu")(x)
        x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(x)
        x = layers.Dropout(dropout)(x)
    probability = layers.Dense(1, activation="sigmoid", dtype="float32", name="probability")(x)
    return keras.Model(film, probability, name="cnn")


def _separable_block(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    for _ in range(2):
        x = layers.SeparableConv2D(filters, 3, activation="relu", padding="same")(x)
    x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(x)
    return layers.MaxPooling2D()(x)
