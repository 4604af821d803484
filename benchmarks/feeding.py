"""What feeding costs: epochs of `TrainingBatches` against the same step over one batch that is kept in memory."""

import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from pneumonia.dataset import TrainingBatches
from pneumonia.models import build_network
from pneumonia.params import load_params
from pneumonia.training import make_learner

SIZE, BATCH, STEPS, ROUNDS = 299, 32, 4, 6


class OneBatch(keras.utils.PyDataset):
    """The same batch at every step."""

    def __init__(self, batch: tuple) -> None:
        super().__init__()
        self.batch = batch

    def __len__(self) -> int:
        return STEPS

    def __getitem__(self, number: int) -> tuple:
        return self.batch


def seconds_an_epoch(learner: keras.Model, feed: keras.utils.PyDataset) -> float:
    started = time.perf_counter()
    learner.fit(feed, verbose=0)
    return time.perf_counter() - started


def main() -> None:
    params = load_params(Path(__file__).parents[1] / "params.yaml")
    params = params.model_copy(update={"clean": params.clean.model_copy(update={"image_size": SIZE})})
    films = BATCH * STEPS
    images = np.random.default_rng(0).integers(0, 255, (films, SIZE, SIZE), dtype=np.uint8)
    names = np.where(np.arange(films) % 2, "pneumonia", "normal")
    rows = pd.DataFrame({"image": range(films), "class": names, "draws": 1, "augment": True, "weight": 1.0})
    feed = TrainingBatches(images, rows, "binary", BATCH, params.train.augmentation, seed=0)
    learner = make_learner(build_network(params).model)
    learner.compile("adam", "binary_crossentropy")
    resident = OneBatch(feed[0])
    seconds_an_epoch(learner, feed)  # compiles
    ours, in_memory = [], []
    for _ in range(ROUNDS):
        in_memory.append(seconds_an_epoch(learner, resident))
        ours.append(seconds_an_epoch(learner, feed))
    started = time.perf_counter()
    for number in range(STEPS):
        feed[number]
    gathering = time.perf_counter() - started
    best, best_resident = min(ours), min(in_memory)
    print(f"\nfeeding the cnn at {SIZE} x {SIZE}, batches of {BATCH}, augmented, best of {ROUNDS} epochs")
    print(
        f"one batch in memory        {best_resident / STEPS * 1e3:8.1f} ms a step  {films / best_resident:6.1f} films/s"
    )
    print(f"batches of packed films    {best / STEPS * 1e3:8.1f} ms a step  {films / best:6.1f} films/s")
    print(f"gathering and drawing only {gathering / STEPS * 1e3:8.1f} ms a step, {gathering / best:.1%} of it")
    print(f"ratio {best_resident / best:.3f} (wanted: 0.95 or more)")


if __name__ == "__main__":
    main()
