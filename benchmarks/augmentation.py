"""Our augmentation, one affine resampling and one photometric pass, beside the stack of Keras layers that does it.

The like of blur is in both; noise, gamma and compression, which the stack has no layers for, are added in the last row.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from pneumonia.params.load import load_params
from pneumonia.training.augmentation import Augment, draw_pose_and_tone
from pneumonia.training.devices import describe

BATCH, ROUNDS = 32, 12
ONLY_OURS = {"gamma": 0.0, "noise": 0.0, "compression": 0.0}


class Always(keras.Model):
    """The mean of what a function makes of each film in training, as a compiled model.

    The mean, since in training too the films go on to the network and not back to NumPy.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def call(self, batch: Any) -> Any:
        return keras.ops.mean(self.function(batch), axis=(1, 2, 3))


def films_a_second(models: dict[str, tuple[keras.Model, Any]]) -> dict[str, float]:
    """Each model's best rate on its batch, taken by turns."""
    best = dict.fromkeys(models, 0.0)
    for _ in range(ROUNDS):
        for name, (model, batch) in models.items():
            started = time.perf_counter()
            model.predict_on_batch(batch)
            best[name] = max(best[name], BATCH / (time.perf_counter() - started))
    return best


def ours(size: int, without: dict[str, float]) -> tuple[keras.Model, Any]:
    settings = load_params(Path(__file__).parents[1] / "params.yaml").train.augmentation
    settings = settings.model_copy(update={"strength": 1.0, "horizontal_flip": True, **without})
    films = np.random.default_rng(0).integers(0, 255, (BATCH, size, size, 1), dtype=np.uint8)
    pose, tone = draw_pose_and_tone(np.random.default_rng(0), np.ones(BATCH, bool), size, settings)
    augment = Augment(settings, 0)
    return Always(lambda batch: augment(**batch, training=True)), {"image": films, "pose": pose, "tone": tone}


def stack(size: int, blur: bool) -> tuple[keras.Model, Any]:
    """The layers of Keras with the ranges of params.yaml, and a flip."""
    one_by_one = [
        layers.RandomFlip("horizontal"),
        layers.RandomRotation(0.12 / (2 * np.pi), fill_mode="constant"),
        layers.RandomZoom(0.2, 0.2, fill_mode="constant"),
        layers.RandomTranslation(0.1, 0.1, fill_mode="constant"),
        layers.RandomContrast(0.3, value_range=(0, 255)),
        layers.RandomBrightness(0.15, value_range=(0, 255)),
    ]
    if blur:
        one_by_one.append(layers.RandomGaussianBlur(kernel_size=5, value_range=(0, 255)))

    def apply(films: Any) -> Any:
        films = keras.ops.cast(films, "float32")
        for layer in one_by_one:
            films = layer(films, training=True)
        return films

    return Always(apply), np.random.default_rng(0).integers(0, 255, (BATCH, size, size, 1), dtype=np.uint8)


def main() -> None:
    print(f"{describe()}, batches of {BATCH}, films/s, the best of {ROUNDS} taken by turns")
    print("size  what                                       ours  Keras' layers   ratio   (wanted: 3)")
    for size in (224, 299):
        pairs = {
            "affine with flip, contrast, brightness": (ours(size, {**ONLY_OURS, "blur": 0.0}), stack(size, blur=False)),
            "the same and blur": (ours(size, ONLY_OURS), stack(size, blur=True)),
            "all of ours, against the stack with blur": (ours(size, {}), stack(size, blur=True)),
        }
        for what, (mine, theirs) in pairs.items():
            rates = films_a_second({"ours": mine, "theirs": theirs})
            ratio = rates["ours"] / rates["theirs"]
            print(f"{size:4}  {what:40} {rates['ours']:6.0f} {rates['theirs']:14.0f} {ratio:7.2f}")


if __name__ == "__main__":
    main()
