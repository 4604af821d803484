"""Random pose and exposure of a training film: one affine resampling, one photometric pass.

NumPy draws the amounts from the seed, so they are the same on every backend. The heavy work runs inside the compiled
training step.
"""

import keras
import numpy as np
from keras import ops

from pneumonia.params.stages import Augmentation
from pneumonia.radiographs.jpeg_table import JPEG_LUMINANCE

TONE = 6
"""How many numbers make a `tone`: gamma, contrast, brightness, noise, blur, compression."""


def draw_pose_and_tone(
    rng: np.random.Generator, augment: np.ndarray, size: int, settings: Augmentation
) -> tuple[np.ndarray, ...]:
    """Random transforms of a batch; the identity where `augment`, bool of shape (B,), is false.

    Returns `pose`, float32 (B, 8): the projective coefficients (a0 … c1) by which `keras.ops.image.affine_transform`
    maps a place in the output to one in the input, about the centre of `size` × `size` pixels; and `tone`,
    float32 (B, 6): gamma (an exponent), contrast about mid-grey (a factor), brightness and noise (shares of the grey
    range), blur (a share of the blurred film), compression (multiples of the quantisation steps of JPEG quality 50).

    Each film uses its own share of the ranges: `settings.strength` times a draw from `settings.least_share` to 1. With
    a `least_share` of 1 the network hardly ever sees a film as it is, and takes such films for healthier than they are
    (docs/experiments.md).
    """
    batch = len(augment)
    strength = settings.strength * rng.uniform(settings.least_share, 1, batch) * augment

    def up_to(limit: float) -> np.ndarray:
        return rng.uniform(0, limit, batch) * strength

    def either_way(limit: float) -> np.ndarray:
        return rng.uniform(-limit, limit, batch) * strength

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
    pose = np.stack([a0, a1, a2, b0, b1, b2, np.zeros(batch), np.zeros(batch)], axis=1)
    gamma = np.exp(either_way(np.log1p(settings.gamma)))
    contrast, brightness = 1 + either_way(settings.contrast), either_way(settings.brightness)
    degradation = [up_to(settings.noise), up_to(settings.blur), up_to(settings.compression)]
    tone = np.stack([gamma, contrast, brightness, *degradation], axis=1)
    return pose.astype("float32"), tone.astype("float32")


class Augment(keras.layers.Layer):
    """Apply `pose` and `tone` to films (B, S, S, 1) of grey values 0 to 255, in training only.

    The graph leaves out what `settings` never draw. It draws the noise itself, from `seed`.
    """

    def __init__(self, settings: Augmentation, seed: int) -> None:
        super().__init__(name="augment", dtype="float32")  # bfloat16 is too coarse for places in an image
        self.settings = settings
        self.noise_seed = keras.random.SeedGenerator(seed)

    def call(
        self, image: keras.KerasTensor, pose: keras.KerasTensor, tone: keras.KerasTensor, training: bool = False
    ) -> keras.KerasTensor:
        """Films float32 (B, S, S, 1), grey values 0 to 255."""
        image = ops.cast(image, "float32")
        settings = self.settings
        if not training or settings.apply_to == "none" or settings.strength == 0:
            return image
        gamma, contrast, brightness, noise, blur, compression = (tone[:, i, None, None, None] for i in range(TONE))
        image = ops.image.affine_transform(image, pose, interpolation="bilinear", fill_mode="constant")
        if settings.blur:
            image = image + blur * (_binomial_blur(image) - image)
        if settings.noise:
            image = image + 255 * noise * keras.random.normal(ops.shape(image), seed=self.noise_seed)
        if settings.gamma:
            # exp and log, since a general power takes three times as long on a CPU.
            image = ops.exp(gamma * ops.log(ops.clip(image, 1e-3, 255)) + (1 - gamma) * np.log(255))
        image = ops.clip(image * contrast + (127.5 * (1 - contrast) + 255 * brightness), 0, 255)
        return _compress(image, compression) if settings.compression else image


def _binomial_blur(image: keras.KerasTensor) -> keras.KerasTensor:
    taps = np.array([1, 4, 6, 4, 1], "float32") / 16
    image = ops.pad(image, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    return ops.conv(ops.conv(image, taps.reshape(5, 1, 1, 1)), taps.reshape(1, 5, 1, 1))


def _compress(image: keras.KerasTensor, steps: keras.KerasTensor) -> keras.KerasTensor:
    """The image as JPEG keeps it: the cosine transform of 8 × 8 blocks, rounded to multiples of `steps` × the table."""
    size = image.shape[1]
    border = -size % 8
    image = ops.pad(image, ((0, 0), (0, border), (0, border), (0, 0)), mode="reflect") if border else image
    blocks = image.shape[1] // 8
    frequency, place = np.mgrid[:8, :8]
    cosines = np.cos((2 * place + 1) * frequency * np.pi / 16) * np.where(frequency, 0.5, np.sqrt(1 / 8))
    basis = np.einsum("uy,vx->yxuv", cosines, cosines).reshape(64, 64).astype("float32")
    step = ops.maximum(steps[:, :, 0] * JPEG_LUMINANCE.reshape(1, 1, 64).astype("float32"), 1e-3)
    # A matrix product over blocks: a convolution and its transpose take five times as long on a CPU.
    x = ops.reshape(image - 128, (-1, blocks, 8, blocks, 8))
    x = ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4)), (-1, blocks * blocks, 64))
    x = ops.matmul(step * ops.round(ops.matmul(x, basis) / step), basis.T)
    x = ops.transpose(ops.reshape(x, (-1, blocks, blocks, 8, 8)), (0, 1, 3, 2, 4))
    x = ops.reshape(x, (-1, size + border, size + border, 1))
    return ops.clip(128 + x, 0, 255)[:, :size, :size]
