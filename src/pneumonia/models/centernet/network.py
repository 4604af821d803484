"""An anchor-free detector on another network: CenterNet (Zhou, Wang, Krähenbühl, Objects as Points, 2019) with a
feature pyramid (Lin et al., Feature Pyramid Networks for Object Detection, CVPR 2017). `models.centernet.centers` says
what its map means.
"""

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from pneumonia.models.centernet.centers import HEAD, STRIDE
from pneumonia.models.shared.lazy_keras import keras, layers, ops
from pneumonia.models.shared.settings import Alpha
from pneumonia.params.blocks import NetworkBlock, Share

__all__ = ["HEAD", "INPUT_SIZE", "Settings", "build"]

BACKBONES = Path(__file__).parent / "backbones"
"""Links to the networks that it may stand on. They lie in this folder so that DVC, which cannot follow the choice in
params.yaml, sees an edit to one of them as an edit to this network, and to no other. So each is one file."""


def _known_backbone(name: str) -> str:
    if name not in (names := sorted(file.stem for file in BACKBONES.glob("*.py"))):
        raise ValueError(f"is {name[:40]!r}; it should be one of {', '.join(names)}")
    return name


class Settings(NetworkBlock):
    """Its block in params.yaml."""

    published = True

    backbone: Annotated[str, AfterValidator(_known_backbone)]
    alpha: Alpha
    dropout: Share


INPUT_SIZE = 224
STRIDES = (STRIDE, 2 * STRIDE, 4 * STRIDE)
CHANNELS = 64
GROUPS = 8  # group norm, since batch norm stays in inference mode where the backbone's weights are ImageNet's
PRIOR = 0.01
"""The heat everywhere at first, so that the many places without a centre do not drown the others (Lin et al., Focal
Loss for Dense Object Detection, ICCV 2017, section 3.3)."""


def build(settings: Settings, image_size: int, outputs: int, weights: str | None) -> keras.Model:
    """The network (see `models.shared.building`) with two outputs: the map float32 (B, S / 8, S / 8, 6), and the film's
    `probability` (B, 1), which is the backbone's own.

    Raises:
        ValueError: `image_size` is smaller than the backbone takes.
        Exception: the ImageNet weights are neither in Keras' cache nor can be fetched, or the backbone has none.
    """
    chosen = import_module(f"pneumonia.models.centernet.backbones.{settings.backbone}")
    if weights and not chosen.Settings.published:
        raise Exception(f"{settings.backbone} has no published weights")
    backbone = chosen.build(settings, image_size, 1, weights)
    fine, middle, coarse = (_last_map(backbone, image_size / stride) for stride in STRIDES)
    x = _lateral(coarse, "coarse")
    for finer, name in ((middle, "middle"), (fine, "fine")):
        x = ops.image.resize(x, finer.shape[1:3], interpolation="nearest")
        x = layers.Add(name=f"neck_{name}_add")([x, _lateral(finer, name)])
        x = _conv_norm(x, f"neck_{name}")
    places = -(-image_size // STRIDES[0])
    if x.shape[1] != places:  # convolutions without padding, as Inception has, give fewer
        x = ops.image.resize(x, (places, places), interpolation="bilinear")
    shown, where = _conv_norm(x, "heat_features"), _conv_norm(x, "edges_features")
    prior = keras.initializers.Constant(-math.log(1 / PRIOR - 1))
    heat = layers.Conv2D(1, 1, activation="sigmoid", bias_initializer=prior, dtype="float32", name="heat")(shown)
    # A share of the film's size, a tenth at first.
    edges = layers.Conv2D(
        4, 1, activation="sigmoid", bias_initializer=keras.initializers.Constant(-2.2), dtype="float32", name="edges"
    )(where)
    # A place is believed as far as the film is: the whole film tells better whether there is an opacity.
    confidence = ops.sqrt(heat * backbone.output[:, None, None, :])
    boxes = layers.Concatenate(dtype="float32", name="map")([heat, edges, confidence])
    return keras.Model(backbone.input, [boxes, backbone.output], name="centernet")


def _last_map(backbone: keras.Model, places: float) -> keras.KerasTensor:
    """The last map (B, H, W, C) whose height is nearest to `places`; padded ones lie elsewhere on the film."""
    maps = [
        operation.output
        for operation in keras.Function(backbone.inputs[0], backbone.outputs[0]).operations
        if not isinstance(operation, layers.ZeroPadding2D) and len(operation.output.shape) == 4
    ]
    nearest = min((abs(each.shape[1] - places), each.shape[1]) for each in maps)[1]
    return [each for each in maps if each.shape[1] == nearest][-1]


def _lateral(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.Conv2D(CHANNELS, 1, name=f"lateral_{name}")(x)


def _conv_norm(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    x = layers.Conv2D(CHANNELS, 3, padding="same", use_bias=False, name=name)(x)
    x = layers.GroupNormalization(GROUPS, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
