"""EfficientNetV2-B0 (Tan, Le, EfficientNetV2: Smaller Models and Faster Training, ICML 2021). 5.9 M parameters."""

from __future__ import annotations

from pneumonia.models.shared.ends import STANDARDISED
from pneumonia.models.shared.lazy_keras import keras
from pneumonia.models.shared.pretrained import build_pretrained
from pneumonia.models.shared.settings import Pretrained

Settings = Pretrained
INPUT_SIZE = 224  # as published


def build(settings: Settings, image_size: int, outputs: int, weights: str | None) -> keras.Model:
    """The network (see `models.shared.building` and `models.shared.pretrained`)."""
    application = keras.applications.EfficientNetV2B0
    return build_pretrained(
        application, STANDARDISED, 32, settings, image_size, outputs, weights, include_preprocessing=False
    )
