"""The two ends that all networks share: the film that goes in, the probabilities that come out."""

from __future__ import annotations

from typing import NamedTuple

from pneumonia.models.shared.lazy_keras import keras, layers


class Scale(NamedTuple):
    """The values that weights expect: `factor · grey + offset`, with one factor and offset a channel."""

    factor: tuple[float, float, float]
    offset: tuple[float, float, float]


UNIT = Scale((1 / 255,) * 3, (0.0,) * 3)
"""0 to 1."""
SYMMETRIC = Scale((1 / 127.5,) * 3, (-1.0,) * 3)
"""-1 to 1, as the Inceptions and MobileNets of Keras were trained."""
CENTRED = Scale((1.0,) * 3, (-103.939, -116.779, -123.68))
"""Grey values less ImageNet's mean blue, green and red, as the networks that came from Caffe were trained."""
STANDARDISED = Scale(
    (1 / (255 * 0.229), 1 / (255 * 0.224), 1 / (255 * 0.225)), (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225)
)
"""Mean 0 and deviation 1 over ImageNet, in each of red, green and blue."""


def film_input(image_size: int, scale: Scale) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """A grey film (B, S, S, 1), 0 to 255, and the three channels (B, S, S, 3) that a network sees.

    They are scaled in float32, whatever the precision of the network: in bfloat16 1/255 alone is 0.4 % off.
    """
    film = keras.Input((image_size, image_size, 1), name="film")
    channels = [
        layers.Rescaling(factor, offset, dtype="float32", name=f"scaled_{number}")(film)
        for number, (factor, offset) in enumerate(zip(*scale, strict=True))
    ]
    return film, layers.Concatenate(name="three_channels")(channels)


def probabilities(x: keras.KerasTensor, outputs: int, name: str = "probability") -> keras.KerasTensor:
    """Features (B, F) → the probability of pneumonia (B, 1) where `outputs` is 1, else those of the classes (B, C).

    In float32, whatever the precision of the network.
    """
    activation = "sigmoid" if outputs == 1 else "softmax"
    return layers.Dense(outputs, activation=activation, dtype="float32", name=name)(x)
