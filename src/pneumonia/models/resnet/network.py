"""A compact residual network, trained from scratch: ResNet-18 (He et al., Deep Residual Learning for Image Recognition,
CVPR 2016) at half its width. 2.8 M parameters.
"""

from __future__ import annotations

from pneumonia.models.shared.ends import UNIT, film_input, probabilities
from pneumonia.models.shared.lazy_keras import keras, layers
from pneumonia.models.shared.settings import Scratch

Settings = Scratch
INPUT_SIZE = 128  # where it costs a CPU little
BATCH_NORM_MOMENTUM = 0.97  # with 0.99 the mean takes some hundred steps to settle, with 0.9 validation jumps about


def build(settings: Settings, image_size: int, outputs: int, weights: str | None) -> keras.Model:
    """The network with random weights (see `models.shared.building`); `weights` is None, there are no published ones.

    Raises:
        ValueError: `image_size` is under 32: five halvings leave nothing of it.
    """
    if image_size < 32:
        raise ValueError("it halves the film five times, so the size may be 32 or more")
    film, x = film_input(image_size, UNIT)
    x = _conv_norm(x, 32, 7, 2, "stem")
    x = layers.ReLU(name="stem_relu")(x)
    x = layers.MaxPooling2D(3, 2, padding="same", name="stem_pool")(x)
    for stage, filters in enumerate((32, 64, 128, 256), start=1):
        for block in (1, 2):
            x = _residual_block(x, filters, stride=2 if block == 1 and stage > 1 else 1, name=f"stage{stage}_{block}")
    x = layers.GlobalAveragePooling2D(name="head_pool")(x)
    x = layers.Dropout(0.2, name="head_dropout")(x)
    return keras.Model(film, probabilities(x, outputs), name="resnet")


def _residual_block(x: keras.KerasTensor, filters: int, stride: int, name: str) -> keras.KerasTensor:
    shortcut = x
    if stride > 1:
        # The shortcut is averaged before it is thinned out, so that no position is thrown away (He et al., Bag of
        # Tricks for Image Classification, CVPR 2019, ResNet-D).
        shortcut = layers.AveragePooling2D(2, stride, padding="same", name=f"{name}_shortcut_pool")(shortcut)
        shortcut = _conv_norm(shortcut, filters, 1, 1, f"{name}_shortcut")
    x = _conv_norm(x, filters, 3, stride, f"{name}_a")
    x = layers.ReLU(name=f"{name}_a_relu")(x)
    # The scale starts at 0: each block is the identity at first, which lets a high learning rate through (ibid.).
    x = _conv_norm(x, filters, 3, 1, f"{name}_b", gamma="zeros")
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.ReLU(name=f"{name}_relu")(x)


def _conv_norm(
    x: keras.KerasTensor, filters: int, kernel: int, stride: int, name: str, gamma: str = "ones"
) -> keras.KerasTensor:
    x = layers.Conv2D(
        filters, kernel, stride, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )(x)
    return layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, gamma_initializer=gamma, name=f"{name}_norm")(x)
