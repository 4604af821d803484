"""MobileNetV2 (Sandler et al., Inverted Residuals and Linear Bottlenecks, CVPR 2018) of any published width."""

import keras

from pneumonia.models.ends import SYMMETRIC
from pneumonia.models.pretrained import build_pretrained
from pneumonia.parameter_blocks import MobileNetV2

INPUT_SIZE = 224  # as published


def build(settings: MobileNetV2, image_size: int, outputs: int, weights: str | None) -> keras.Model:
    """The network (see `models` and `models.pretrained`)."""
    application = keras.applications.MobileNetV2
    return build_pretrained(application, SYMMETRIC, 32, settings, image_size, outputs, weights, alpha=settings.alpha)
