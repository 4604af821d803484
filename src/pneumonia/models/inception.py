"""Inception V3 (Szegedy et al., Rethinking the Inception Architecture, CVPR 2016) with a new head."""

import keras
from keras import layers

from pneumonia.models.grey_input import grey_input
from pneumonia.params import Inception

BATCH_NORM_MOMENTUM = 0.9  # from random weights, as in `models.cnn`: Keras' 0.99 needs some hundred steps


def build(settings: Inception, image_size: int, weights: str | None) -> keras.Model:
    """The network (see `models`) with `weights`: `imagenet` or None for random ones. 21.8 M parameters.

    Raises:
        ValueError: `image_size` is under 75.
        Exception: the ImageNet weights are neither in Keras' cache nor can be fetched.
    """
    if image_size < 75:
        raise ValueError("Inception V3 takes films of 75 pixels or more")
    film, x = grey_input(image_size, scale=1 / 127.5, offset=-1.0)
    backbone = keras.applications.InceptionV3(include_top=False, weights=weights, input_tensor=x)
    if weights is None:
        for layer in backbone.layers:
            if isinstance(layer, layers.BatchNormalization):
                layer.momentum = BATCH_NORM_MOMENTUM
    x = layers.GlobalAveragePooling2D(name="head_pool")(backbone.output)
    x = layers.Dropout(settings.dropout, name="head_dropout")(x)
    probability = layers.Dense(1, activation="sigmoid", dtype="float32", name="probability")(x)
    return keras.Model(film, probability, name="inception")
