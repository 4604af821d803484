"""DenseNet-121 (Huang et al., Densely Connected Convolutional Networks, CVPR 2017). 7.0 M parameters."""

import keras

from pneumonia.models.ends import STANDARDISED
from pneumonia.models.pretrained import build_pretrained
from pneumonia.parameter_blocks import Pretrained

INPUT_SIZE = 224  # as published


def build(settings: Pretrained, image_size: int, outputs: int, weights: str | None) -> keras.Model:
    """The network (see `models` and `models.pretrained`)."""
    application = keras.applications.DenseNet121
    return build_pretrained(application, STANDARDISED, 32, settings, image_size, outputs, weights)
