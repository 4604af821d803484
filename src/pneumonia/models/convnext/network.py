"""ConvNeXt-Tiny (Liu et al., A ConvNet for the 2020s, CVPR 2022). 27.8 M parameters."""

from __future__ import annotations

from pneumonia.models.shared.ends import STANDARDISED
from pneumonia.models.shared.lazy_keras import keras
from pneumonia.models.shared.pretrained import build_pretrained
from pneumonia.models.shared.settings import Pretrained

Settings = Pretrained
INPUT_SIZE = 224  # as published


def build(settings: Settings, image_size: int, outputs: int, weights: str | None) -> keras.Model:
    """The network (see `models.shared.building` and `models.shared.pretrained`)."""
    return build_pretrained(convnext, STANDARDISED, 32, settings, image_size, outputs, weights)


def convnext(**options: object) -> keras.Model:
    """Keras' ConvNeXt-Tiny as one graph; Keras has the stem and each down-sampling as models within the model."""
    nested = keras.applications.ConvNeXtTiny(include_preprocessing=False, **options)

    def call(layer: keras.layers.Layer, *inputs: keras.KerasTensor, **arguments: object) -> keras.KerasTensor:
        if not isinstance(layer, keras.Sequential):
            return layer(*inputs, **arguments)
        (x,) = inputs
        for inner in layer.layers:
            x = type(inner).from_config(inner.get_config())(x)
        return x

    flat = keras.models.clone_model(nested, nested.input, call_function=call)
    flat.set_weights(nested.get_weights())
    return flat
