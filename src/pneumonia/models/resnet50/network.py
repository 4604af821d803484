"""ResNet-50 (He et al., Deep Residual Learning for Image Recognition, CVPR 2016). 23.6 M parameters."""

from __future__ import annotations

from pneumonia.models.shared.ends import CENTRED
from pneumonia.models.shared.lazy_keras import keras
from pneumonia.models.shared.pretrained import build_pretrained
from pneumonia.models.shared.settings import Pretrained

Settings = Pretrained
INPUT_SIZE = 224  # as published


def build(settings: Settings, image_size: int, outputs: int, weights: str | None) -> keras.Model:
    """The network (see `models.shared.building` and `models.shared.pretrained`)."""
    application = keras.applications.ResNet50
    return build_pretrained(application, CENTRED, 32, settings, image_size, outputs, weights)
