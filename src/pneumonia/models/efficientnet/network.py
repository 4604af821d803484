"""EfficientNetV2-B0 (Tan, Le, EfficientNetV2: Smaller Models and Faster Training, ICML 2021). 5.9 M parameters."""

import keras

from pneumonia.models.ends import STANDARDISED
from pneumonia.models.pretrained import build_pretrained
from pneumonia.parameter_blocks import Pretrained

INPUT_SIZE = 224  # as published


def build(settings: Pretrained, image_size: int, outputs: int, weights: str | None) -> keras.Model:
    """The network (see `models` and `models.pretrained`)."""
    application = keras.applications.EfficientNetV2B0
    return build_pretrained(
        application, STANDARDISED, 32, settings, image_size, outputs, weights, include_preprocessing=False
    )
