"""GoogLeNet, or Inception v1 (Szegedy et al., Going Deeper with Convolutions, CVPR 2015).

6,998,552 parameters with 1,000 classes and without the auxiliary heads.
"""

from __future__ import annotations

from pydantic import StrictBool

from pneumonia.models.shared.ends import SYMMETRIC, film_input, probabilities
from pneumonia.models.shared.lazy_keras import keras, layers
from pneumonia.models.shared.local_response import local_response
from pneumonia.models.shared.settings import Scratch


class Settings(Scratch):
    """Its block in params.yaml."""

    auxiliary_heads: StrictBool


INPUT_SIZE = 224  # as published
MODULES = {  # table 1 of the paper: 1×1, before 3×3, 3×3, before 5×5, 5×5, after the pooling
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
LAST_BEFORE_POOLING = ("3b", "4e")
WITH_AUXILIARY_HEAD = ("4a", "4d")


def build(settings: Settings, image_size: int, outputs: int, weights: str | None) -> keras.Model:
    """The network with random weights (see `models.shared.building`); `weights` is None: Keras has no published ones.

    With `settings.auxiliary_heads` the outputs are the network's own, then those of its two auxiliary heads.

    Raises:
        ValueError: `image_size` is under 32, or under 80 with auxiliary heads, whose pooling leaves nothing of it.
    """
    if image_size < (smallest := 80 if settings.auxiliary_heads else 32):
        raise ValueError(f"it takes films of {smallest} pixels or more, 80 with auxiliary heads")
    film, x = film_input(image_size, SYMMETRIC)
    x = _conv(x, 64, 7, "conv1", strides=2)
    x = local_response(_halve(x, "pool1"))
    x = _conv(x, 64, 1, "conv2_reduce")
    x = local_response(_conv(x, 192, 3, "conv2"))
    x = _halve(x, "pool2")
    auxiliary = []
    for name, filters in MODULES.items():
        x = _inception(x, filters, name)
        if name in WITH_AUXILIARY_HEAD and settings.auxiliary_heads:
            auxiliary.append(_auxiliary_head(x, outputs, f"auxiliary_{name}"))
        if name in LAST_BEFORE_POOLING:
            x = _halve(x, f"pool_{name}")
    x = layers.GlobalAveragePooling2D(name="head_pool")(x)
    x = layers.Dropout(0.4, name="head_dropout")(x)
    return keras.Model(
        film, [probabilities(x, outputs), *auxiliary] if auxiliary else probabilities(x, outputs), name="googlenet"
    )


def _inception(x: keras.KerasTensor, filters: tuple[int, ...], name: str) -> keras.KerasTensor:
    one, before_three, three, before_five, five, after_pool = filters
    pooled = layers.MaxPooling2D(3, 1, padding="same", name=f"{name}_pool")(x)
    branches = [
        _conv(x, one, 1, f"{name}_1x1"),
        _conv(_conv(x, before_three, 1, f"{name}_3x3_reduce"), three, 3, f"{name}_3x3"),
        _conv(_conv(x, before_five, 1, f"{name}_5x5_reduce"), five, 5, f"{name}_5x5"),
        _conv(pooled, after_pool, 1, f"{name}_pool_projection"),
    ]
    return layers.Concatenate(name=name)(branches)


def _auxiliary_head(x: keras.KerasTensor, outputs: int, name: str) -> keras.KerasTensor:
    x = layers.AveragePooling2D(5, 3, name=f"{name}_pool")(x)
    x = _conv(x, 128, 1, f"{name}_conv")
    x = layers.Flatten(name=f"{name}_flatten")(x)
    x = layers.Dense(1024, "relu", name=f"{name}_dense")(x)
    x = layers.Dropout(0.7, name=f"{name}_dropout")(x)
    return probabilities(x, outputs, name)


def _halve(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.MaxPooling2D(3, 2, padding="same", name=name)(x)


def _conv(x: keras.KerasTensor, filters: int, kernel: int, name: str, strides: int = 1) -> keras.KerasTensor:
    initial = keras.initializers.HeNormal()  # the paper names none
    return layers.Conv2D(filters, kernel, strides, "same", activation="relu", kernel_initializer=initial, name=name)(x)
