"""A published network between the ends that all networks share: transfer learning."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from pneumonia.models.shared.ends import Scale, film_input, probabilities
from pneumonia.models.shared.lazy_keras import keras, layers
from pneumonia.models.shared.settings import Pretrained

FIRST_HEAD_LAYER = "head_pool"
BATCH_NORM_MOMENTUM = 0.9  # from random weights: Keras' 0.99 needs some hundred steps before validation means anything


def build_pretrained(
    application: Callable[..., keras.Model],
    scale: Scale,
    smallest: int,
    settings: Pretrained,
    image_size: int,
    outputs: int,
    weights: str | None,
    **options: object,
) -> keras.Model:
    """`application` on films brought to `scale`, with a new head; `weights` is `imagenet` or None for random ones.

    Its layers are part of one flat graph, so that gradients reach each layer from the film.

    Raises:
        ValueError: `image_size` is under `smallest`.
        Exception: the ImageNet weights are neither in Keras' cache nor can be fetched.
    """
    if image_size < smallest:
        raise ValueError(f"it takes films of {smallest} pixels or more")
    film, x = film_input(image_size, scale)
    with warnings.catch_warnings():
        # Keras warns that it takes the MobileNet weights trained at 224 pixels: they serve at any size.
        warnings.simplefilter("ignore", UserWarning)
        backbone = application(include_top=False, weights=weights, input_tensor=x, **options)
    if weights is None:
        for layer in backbone.layers:
            if isinstance(layer, layers.BatchNormalization):
                layer.momentum = BATCH_NORM_MOMENTUM
    x = layers.GlobalAveragePooling2D(name=FIRST_HEAD_LAYER)(backbone.output)
    x = layers.Dropout(settings.dropout, name="head_dropout")(x)
    return keras.Model(film, probabilities(x, outputs), name=application.__name__.lower())
