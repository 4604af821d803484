"""An epoch on original JPEGs beside what notebooks use: `image_dataset_from_directory` and `flow_from_directory`.

The same network and optimizer in the same precision, the same random rotation, zoom, shift, contrast and brightness (of
`flow_from_directory` without contrast, which it has not). Ours decodes each film once, in `clean`; the others in every
epoch. The share spent feeding is what an epoch takes above the same steps on one batch kept in memory.
"""

import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from feeding import OneBatch
from keras import layers
from PIL import Image

from pneumonia.models.cnn import network as cnn
from pneumonia.params.load import Params, load_params
from pneumonia.preparation.cleaning.clean import pack
from pneumonia.training.batches import TrainingBatches
from pneumonia.training.devices import describe
from pneumonia.training.learner import Learner, compile_learner, make_learner
from pneumonia.training.precision import POLICIES

SIZE, BATCH, FILMS, ROUNDS = 299, 32, 128, 3
STEPS, EPOCHS = FILMS // BATCH, 14
CLASSES = ("normal", "pneumonia")


def make_films(folder: Path) -> list[Path]:
    """JPEGs as large as the published films, 2.5 megapixels, of smooth noise, in a folder a class."""
    rng, files = np.random.default_rng(0), []
    for number in range(FILMS):
        small = Image.fromarray(rng.integers(0, 255, (106, 148), dtype=np.uint8))
        grey = np.asarray(small.resize((1858, 1328), Image.Resampling.BICUBIC), float) + rng.normal(0, 6, (1328, 1858))
        file = folder / CLASSES[number % 2] / f"{number:04}.jpeg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).save(file, quality=90)
        files.append(file)
    return files


def pack_once(files: list[Path], params: Params, folder: Path) -> float:
    """Decode and pack the films as `clean` does; the seconds it took."""
    started = time.perf_counter()
    table = pd.DataFrame({"file": [str(file.relative_to(folder)) for file in files]})
    pack(table, folder, folder / "pixels", params)
    return time.perf_counter() - started


def ours(files: list[Path], params: Params, folder: Path) -> tuple[keras.Model, Any, Any]:
    names = [file.parent.name for file in files]
    rows = pd.DataFrame({"image": range(FILMS), "class": names, "draws": 1, "augment": True, "weight": 1.0})
    images = np.memmap(folder / "pixels", np.uint8, "r", shape=(FILMS, SIZE, SIZE))
    feed = TrainingBatches(images, rows, params)
    learner = make_learner(cnn.build(params.models.cnn, SIZE, 1, None), params.train, 0)
    return learner, feed, OneBatch(feed[0], STEPS)


def image_dataset(folder: Path, params: Params) -> tuple[keras.Model, Any, Any]:
    """As the documentation of Keras shows it: layers in the model, decoding in parallel, batches fetched ahead."""
    films = keras.utils.image_dataset_from_directory(
        folder,
        label_mode="binary",
        color_mode="grayscale",
        batch_size=BATCH,
        image_size=(SIZE, SIZE),
        seed=0,
        verbose=False,
    ).prefetch(tf.data.AUTOTUNE)
    x = film = keras.Input((SIZE, SIZE, 1))
    for layer in (
        layers.RandomRotation(0.12 / (2 * np.pi)),
        layers.RandomZoom(0.2, 0.2),
        layers.RandomTranslation(0.1, 0.1),
        layers.RandomContrast(0.3, value_range=(0, 255)),
        layers.RandomBrightness(0.15, value_range=(0, 255)),
    ):
        x = layer(x)
    learner = keras.Model(film, cnn.build(params.models.cnn, SIZE, 1, None)(x))
    x, y = (np.array(each) for each in next(iter(films)))
    return learner, films, OneBatch((x, y), STEPS)


class Flow(keras.utils.PyDataset):
    """`flow_from_directory` as most notebooks on these films use it, its labels in a column as Keras 3 wants them."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.films = tf.keras.preprocessing.image.ImageDataGenerator(
            rotation_range=6.9,
            zoom_range=0.2,
            width_shift_range=0.1,
            height_shift_range=0.1,
            brightness_range=(0.85, 1.15),
        ).flow_from_directory(
            str(folder), (SIZE, SIZE), color_mode="grayscale", class_mode="binary", batch_size=BATCH, seed=0
        )

    def __len__(self) -> int:
        return STEPS

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        films, labels = self.films[number]
        return films, labels[:, None]


def flow(folder: Path, params: Params) -> tuple[keras.Model, Any, Any]:
    feed = Flow(folder)
    return cnn.build(params.models.cnn, SIZE, 1, None), feed, OneBatch(feed[0], STEPS)


def main() -> None:
    params = load_params(Path(__file__).parents[1] / "params.yaml")
    same = {"strength": 1.0, "gamma": 0.0, "noise": 0.0, "blur": 0.0, "compression": 0.0}
    augmentation = params.train.augmentation.model_copy(update=same)
    params = params.model_copy(
        update={
            "clean": params.clean.model_copy(update={"image_size": SIZE}),
            "train": params.train.model_copy(update={"augmentation": augmentation, "batch_size": BATCH}),
        }
    )
    keras.config.set_dtype_policy(POLICIES["float32"])
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = make_films(folder / "films")
        makers: dict[str, Callable[[], tuple[keras.Model, Any, Any]]] = {
            "packed films (ours)": lambda: ours(files, params, folder),
            "image_dataset_from_directory": lambda: image_dataset(folder / "films", params),
            "flow_from_directory": lambda: flow(folder / "films", params),
        }
        packing = pack_once(files, params, folder)
        compare({name: make() for name, make in makers.items()}, params, packing)


def compare(loaders: dict[str, tuple[keras.Model, Any, Any]], params: Params, packing: float) -> None:
    """Epochs by turns, so that a machine busy with other things is so for all."""
    for model, feed, _ in loaders.values():
        if isinstance(model, Learner):
            compile_learner(model, params.train, 1e-3, epochs=9, steps=STEPS)
        else:
            model.compile("adam", "binary_crossentropy", metrics=[keras.metrics.BinaryAccuracy(), keras.metrics.AUC()])
        model.fit(feed, verbose=0)
    epoch, resident = dict.fromkeys(loaders, math.inf), dict.fromkeys(loaders, math.inf)
    for _ in range(ROUNDS):
        for name, (model, feed, one_batch) in loaders.items():
            for times, data in ((epoch, feed), (resident, one_batch)):
                started = time.perf_counter()
                model.fit(data, verbose=0)
                times[name] = min(times[name], time.perf_counter() - started)
    ours_seconds = next(iter(epoch.values()))
    with_packing = ours_seconds + packing / EPOCHS
    print(f"{describe()}, {FILMS} JPEGs of 2.5 megapixels, cnn at {SIZE} x {SIZE}, the best of {ROUNDS} epochs each")
    print(f"ours decodes and packs them once, in {packing:.1f} s; last column: that included, over {EPOCHS} epochs")
    print("loader                          films/s   feeding   ours is faster by   in all by")
    for name, seconds in epoch.items():
        feeding, ratio, in_all = max(0.0, 1 - resident[name] / seconds), seconds / ours_seconds, seconds / with_packing
        print(f"{name:30} {FILMS / seconds:8.1f} {feeding:9.1%} {ratio:19.2f} {in_all:11.2f}")


if __name__ == "__main__":
    main()
