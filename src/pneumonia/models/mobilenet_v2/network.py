"""MobileNetV2 (Sandler et al., Inverted Residuals and Linear Bottlenecks, CVPR 2018) of any published width."""

from __future__ import annotations

from pneumonia.models.shared.ends import SYMMETRIC
from pneumonia.models.shared.lazy_keras import keras
from pneumonia.models.shared.pretrained import build_pretrained
from pneumonia.models.shared.settings import Alpha, Pretrained


class Settings(Pretrained):
    """Its block in params.yaml."""

    alpha: Alpha


INPUT_SIZE = 224  # as published


def build(settings: Settings, image_size: int, outputs: int, weights: str | None) -> keras.Model:
    """The network (see `models.shared.building` and `models.shared.pretrained`)."""
    application = keras.applications.MobileNetV2
    return build_pretrained(application, SYMMETRIC, 32, settings, image_size, outputs, weights, alpha=settings.alpha)
