"""What feeding costs: epochs of `TrainingBatches` against the same step over a batch that lies on the device already.

    python benchmarks/feeding.py [--batch 128] [cnn resnet resnet50 inception …]

Of the `cnn` alone where no model is named; on a GPU name them all. KERAS_BACKEND chooses the backend. On TensorFlow the
batch lies in the host's memory instead, since Keras feeds it through a generator.
"""

import argparse
import math
import time

import keras
import numpy as np
import pandas as pd
from keras import ops
from untrained import params_for

from pneumonia.params.choices import network
from pneumonia.training.batches import TrainingBatches
from pneumonia.training.devices import describe, gpus
from pneumonia.training.learner import compile_learner, make_learner
from pneumonia.training.precision import POLICIES, choose_precision

ROUNDS = 6
STEPS = 100 if gpus() else 4  # an epoch: on a GPU, what `fit` itself costs must not show


class OnDevice(keras.utils.PyDataset):
    """One batch at every step, as tensors of the backend: JAX's iterator hands these on as they are."""

    def __init__(self, batch: tuple, steps: int) -> None:
        super().__init__()
        self.batch, self.steps = keras.tree.map_structure(ops.convert_to_tensor, batch), steps

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, number: int) -> tuple:
        return self.batch


def seconds_an_epoch(learner: keras.Model, feed: keras.utils.PyDataset) -> float:
    started = time.perf_counter()
    learner.fit(feed, verbose=0)
    return time.perf_counter() - started


def films_to_train_on(size: int, count: int) -> tuple[np.ndarray, pd.DataFrame]:
    """Noise, and rows that draw each once."""
    images = np.random.default_rng(0).integers(0, 255, (count, size, size), dtype=np.uint8)
    names = np.where(np.arange(count) % 2, "pneumonia", "normal")
    return images, pd.DataFrame({"image": range(count), "class": names, "draws": 1, "augment": True, "weight": 1.0})


def measure(model: str, size: int) -> None:
    module = network(model)
    params = params_for(model, module.INPUT_SIZE, batch_size=size, mixup=0.2)
    precision = choose_precision(params)
    keras.config.set_dtype_policy(POLICIES[precision])
    images, rows = films_to_train_on(module.INPUT_SIZE, size * STEPS)
    feed = TrainingBatches(images, rows, params)
    learner = make_learner(module.build(params.chosen_model, module.INPUT_SIZE, 1, None), params.train, 0)
    compile_learner(learner, params.train, params.train.learning_rate, epochs=ROUNDS, steps=STEPS)
    resident = OnDevice(feed[0], STEPS)
    seconds_an_epoch(learner, feed)  # compiles
    ours = limit = math.inf
    for _ in range(ROUNDS):
        limit = min(limit, seconds_an_epoch(learner, resident))
        ours = min(ours, seconds_an_epoch(learner, feed))
    started = time.perf_counter()
    for number in range(STEPS):
        feed[number]
    gathering = (time.perf_counter() - started) / ours
    films = size * STEPS
    print(
        f"{model:13} {module.INPUT_SIZE:5} {precision:9} {films / limit:16.1f} {films / ours:15.1f} "
        f"{limit / ours:7.3f} {gathering:10.1%}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", metavar="model", default=["cnn"])
    parser.add_argument("--batch", type=int, default=32, help="films in a batch")
    given = parser.parse_args()
    print(f"{describe()}, batches of {given.batch}, augmented, the best of {ROUNDS} epochs of {STEPS} steps each")
    print("model          size precision  resident films/s  packed films/s   ratio  gathering   (ratio wanted: 0.95)")
    for model in given.models:
        measure(model, given.batch)


if __name__ == "__main__":
    main()
