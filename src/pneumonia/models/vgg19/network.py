"""VGG-19 (Simonyan, Zisserman, Very Deep Convolutional Networks, ICLR 2015) with a pooled head. 20.0 M parameters."""

import keras

from pneumonia.models.ends import CENTRED
from pneumonia.models.pretrained import build_pretrained
from pneumonia.parameter_blocks import Pretrained

INPUT_SIZE = 224  # as published


def build(settings: Pretrained, image_size: int, outputs: int, weights: str | None) -> keras.Model:
    """The network (see `models` and `models.pretrained`)."""
    application = keras.applications.VGG19
    return build_pretrained(application, CENTRED, 32, settings, image_size, outputs, weights)
