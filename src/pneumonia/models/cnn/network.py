"""The separable CNN that the notebooks on the Kermany films train from scratch.

At 299 × 299 it has 1,321,953 parameters, 1,319,329 of them trainable.
"""

from __future__ import annotations

from pneumonia.models.shared.ends import UNIT, film_input, probabilities
from pneumonia.models.shared.lazy_keras import keras, layers
from pneumonia.models.shared.settings import Scratch

Settings = Scratch
INPUT_SIZE = 299  # as in the notebooks on the Kermany films
BATCH_NORM_MOMENTUM = 0.9  # Keras' 0.99 needs some hundred steps before validation means anything; 40 make an epoch.


def build(settings: Settings, image_size: int, outputs: int, weights: str | None) -> keras.Model:
    """The network with random weights (see `models.shared.building`); `weights` is None, there are no published ones.

    Raises:
        ValueError: `image_size` is under 64: six halvings leave nothing of it.
    """
    if image_size < 64:
        raise ValueError("it halves the film six times, so the size may be 64 or more")
    film, x = film_input(image_size, UNIT)
    for number in (1, 2):
        x = layers.Conv2D(16, 3, activation="relu", padding="same", name=f"block1_conv{number}")(x)
    x = layers.MaxPooling2D(name="block1_pool")(x)
    for block, filters, dropout in ((2, 32, 0), (3, 64, 0), (4, 128, 0.2), (5, 256, 0.2), (6, 128, 0.2)):
        x = _separable_block(x, filters, f"block{block}")
        if dropout:
            x = layers.Dropout(dropout, name=f"block{block}_dropout")(x)
    x = layers.Flatten(name="flatten")(x)
    for number, (units, dropout) in enumerate(((512, 0.7), (128, 0.5), (64, 0.3)), start=1):
        x = layers.Dense(units, activation="relu", name=f"dense{number}")(x)
        x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"dense{number}_norm")(x)
        x = layers.Dropout(dropout, name=f"dense{number}_dropout")(x)
    return keras.Model(film, probabilities(x, outputs), name="cnn")


def _separable_block(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    for number in (1, 2):
        x = layers.SeparableConv2D(filters, 3, activation="relu", padding="same", name=f"{name}_conv{number}")(x)
    x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_norm")(x)
    return layers.MaxPooling2D(name=f"{name}_pool")(x)
