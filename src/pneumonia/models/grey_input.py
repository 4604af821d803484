"""The input that all networks share."""

import keras
from keras import layers


def grey_input(image_size: int, scale: float, offset: float) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """A grey film (B, S, S, 1), 0 to 255, and the three equal channels `scale · grey + offset` that a network sees."""
    film = keras.Input((image_size, image_size, 1), name="film")
    scaled = layers.Rescaling(scale, offset, name="scaled")(film)
    return film, layers.Concatenate(name="three_channels")([scaled, scaled, scaled])
