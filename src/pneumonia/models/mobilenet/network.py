"""MobileNet (Howard et al., MobileNets, arXiv 1704.04861, 2017). 3.2 M parameters."""

import keras

from pneumonia.models.ends import SYMMETRIC
from pneumonia.models.pretrained import build_pretrained
from pneumonia.parameter_blocks import Pretrained

INPUT_SIZE = 224  # as published


def build(settings: Pretrained, image_size: int, outputs: int, weights: str | None) -> keras.Model:
    """The network (see `models` and `models.pretrained`)."""
    application = keras.applications.MobileNet
    return build_pretrained(application, SYMMETRIC, 32, settings, image_size, outputs, weights)
