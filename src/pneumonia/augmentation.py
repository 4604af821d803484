"""Random pose and exposure of a training film: one affine resampling, one change of tone.

What is random is drawn with NumPy from the seed, so it is the same on every backend; what is heavy runs inside the
compiled training step.
"""

import keras
import numpy as np
from keras import ops

from pneumonia.params import Augmentation


def draw(rng: np.random.Generator, augment: np.ndarray, size: int, settings: Augmentation) -> tuple[np.ndarray, ...]:
    """Random transforms of a batch; the identity where `augment`, bool of shape (B,), is false.

    Returns `pose`, float32 (B, 8): the projective coefficients (a0 … c1) by which `keras.ops.image.affine_transform`
    maps a place in the output to one in the input, about the centre of `size` × `size` pixels; and `tone`,
    float32 (B, 2): contrast about mid-grey (a factor) and brightness (a share of the grey range).
    """
    batch = len(augment)

    def either_way(limit: float) -> np.ndarray:
        return rng.uniform(-limit, limit, batch) * augment

    angle = either_way(settings.rotation)
    scale_x, scale_y = 1 + either_way(settings.zoom), 1 + either_way(settings.zoom)
    shift_x, shift_y = either_way(settings.shift) * size, either_way(settings.shift) * size
    if settings.horizontal_flip:
        scale_x = scale_x * np.where(augment & (rng.random(batch) < 0.5), -1, 1)
    a0, a1 = np.cos(angle) * scale_x, -np.sin(angle) * scale_y
    b0, b1 = np.sin(angle) * scale_x, np.cos(angle) * scale_y
    centre = (size - 1) / 2
    a2 = centre - a0 * centre - a1 * centre + shift_x
    b2 = centre - b0 * centre - b1 * centre + shift_y
    pose = np.stack([a0, a1, a2, b0, b1, b2, np.zeros(batch), np.zeros(batch)], axis=1).astype("float32")
    tone = np.stack([1 + either_way(settings.contrast), either_way(settings.brightness)], axis=1).astype("float32")
    return pose, tone


class Augment(keras.layers.Layer):
    """Apply what `draw` drew to films (B, S, S, 1) of grey values 0 to 255, in training only."""

    def __init__(self) -> None:
        super().__init__(name="augment", dtype="float32")  # bfloat16 has not the precision for places in an image

    def call(
        self, image: keras.KerasTensor, pose: keras.KerasTensor, tone: keras.KerasTensor, training: bool = False
    ) -> keras.KerasTensor:
        """Films float32 (B, S, S, 1), grey values 0 to 255."""
        image = ops.cast(image, "float32")
        if training:
            image = ops.image.affine_transform(image, pose, interpolation="bilinear", fill_mode="constant")
            contrast, brightness = tone[:, 0, None, None, None], tone[:, 1, None, None, None]
            image = ops.clip((image - 127.5) * contrast + 127.5 + 255 * brightness, 0, 255)
        return image
