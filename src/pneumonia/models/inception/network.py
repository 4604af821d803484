"""Inception V3 (Szegedy et al., Rethinking the Inception Architecture, CVPR 2016). 21.8 M parameters."""

import keras

from pneumonia.models.ends import SYMMETRIC
from pneumonia.models.pretrained import build_pretrained
from pneumonia.parameter_blocks import Pretrained

INPUT_SIZE = 299  # as published


def build(settings: Pretrained, image_size: int, outputs: int, weights: str | None) -> keras.Model:
    """The network (see `models` and `models.pretrained`)."""
    application = keras.applications.InceptionV3
    return build_pretrained(application, SYMMETRIC, 75, settings, image_size, outputs, weights)
