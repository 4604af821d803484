"""MobileNet (Howard et al., MobileNets, arXiv 1704.04861, 2017). 3.2 M parameters."""

from __future__ import annotations

from pneumonia.models.shared.ends import SYMMETRIC
from pneumonia.models.shared.lazy_keras import keras
from pneumonia.models.shared.pretrained import build_pretrained
from pneumonia.models.shared.settings import Pretrained

Settings = Pretrained
INPUT_SIZE = 224  # as published


def build(settings: Settings, image_size: int, outputs: int, weights: str | None) -> keras.Model:
    """The network (see `models.shared.building` and `models.shared.pretrained`)."""
    application = keras.applications.MobileNet
    return build_pretrained(application, SYMMETRIC, 32, settings, image_size, outputs, weights)
