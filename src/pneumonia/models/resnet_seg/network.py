"""A residual network from scratch that predicts at each pixel whether it shows an opacity: the classic of the notebooks
on the RSNA challenge. It has pre-activation blocks (He et al., Identity Mappings in Deep Residual Networks, ECCV 2016)
and four halvings.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictInt

from pneumonia.models.resnet_seg.masks import HEAD
from pneumonia.models.shared.ends import UNIT, film_input
from pneumonia.models.shared.lazy_keras import keras, layers
from pneumonia.models.shared.settings import Scratch

__all__ = ["HEAD", "INPUT_SIZE", "Settings", "build"]


class Settings(Scratch):
    """Its block in params.yaml."""

    filters: Annotated[StrictInt, Field(ge=4, le=256)]


INPUT_SIZE = 256
HALVINGS = 4
BATCH_NORM_MOMENTUM = 0.9  # as in those notebooks; with 0.99 the mean takes some hundred steps to settle


def build(settings: Settings, image_size: int, outputs: int, weights: str | None) -> keras.Model:
    """The network (see `models.shared.building`) with two outputs: the mask float32 (B, S, S, 1), and its maximum, the
    `probability` (B, 1).

    Raises:
        ValueError: `image_size` cannot be halved four times.
    """
    if image_size % 2**HALVINGS:
        raise ValueError(f"it halves the film {HALVINGS} times, so the size may be a multiple of {2**HALVINGS}")
    film, x = film_input(image_size, UNIT)
    filters = settings.filters
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name="stem")(x)
    for stage in range(1, HALVINGS + 1):
        filters *= 2
        x = _activated(x, f"stage{stage}_down")
        x = layers.Conv2D(filters, 1, use_bias=False, name=f"stage{stage}_down")(x)
        x = layers.MaxPooling2D(name=f"stage{stage}_pool")(x)
        for block in (1, 2):
            x = _residual_block(x, filters, f"stage{stage}_{block}")
    x = _activated(x, "head")
    coarse = layers.Conv2D(1, 1, activation="sigmoid", dtype="float32", name="coarse_mask")(x)
    mask = layers.UpSampling2D(2**HALVINGS, interpolation="bilinear", dtype="float32", name="map")(coarse)
    probability = layers.GlobalMaxPooling2D(dtype="float32", name="probability")(coarse)
    return keras.Model(film, [mask, probability], name="resnet_seg")


def _residual_block(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    shortcut = x
    for half in ("a", "b"):
        x = _activated(x, f"{name}_{half}")
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_{half}")(x)
    return layers.Add(name=f"{name}_add")([shortcut, x])


def _activated(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_norm")(x)
    return layers.LeakyReLU(name=f"{name}_relu")(x)
