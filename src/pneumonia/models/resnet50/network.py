"""ResNet-50 (He et al., Deep Residual Learning for Image Recognition, CVPR 2016). 23.6 M parameters."""

import keras

from pneumonia.models.ends import CENTRED
from pneumonia.models.pretrained import build_pretrained
from pneumonia.parameter_blocks import Pretrained

INPUT_SIZE = 224  # as published


def build(settings: Pretrained, image_size: int, outputs: int, weights: str | None) -> keras.Model:
    """The network (see `models` and `models.pretrained`)."""
    application = keras.applications.ResNet50
    return build_pretrained(application, CENTRED, 32, settings, image_size, outputs, weights)
