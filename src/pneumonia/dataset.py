"""The packed films as batches: gathered from the memory map, never decoded again."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd

from pneumonia import augmentation
from pneumonia.labels import class_names
from pneumonia.params import Augmentation


def open_images(clean: Path) -> np.ndarray:
    """The packed films, uint8 (N, S, S), memory-mapped."""
    images: np.ndarray = np.load(clean / "images.npy", mmap_mode="r")
    return images


def read_part(split: Path, part: str, task: str) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """The films of one part: their rows in the packed images int64 (N,), their classes int64 (N,), and the table."""
    films = pd.read_csv(split, dtype={"patient": str}, keep_default_na=False)
    films = films[films["part"] == part].reset_index(drop=True)
    return films["image"].to_numpy(), class_numbers(films["class"], task), films


def class_numbers(names: pd.Series, task: str) -> np.ndarray:
    """Class numbers int64 (N,) of class names."""
    numbers: np.ndarray = names.map({name: number for number, name in enumerate(class_names(task))}).to_numpy("int64")
    return numbers


class TrainingBatches(keras.utils.PyDataset):
    """The rows of `train.csv`, shuffled anew each epoch, with the random pose and tone of each film.

    A batch is `(inputs, targets, weights)`: inputs `image` uint8 (B, S, S, 1), `pose` float32 (B, 8) and `tone`
    float32 (B, 2) (see `augmentation.draw`), targets float32 (B, 1), weights float32 (B,). It depends on the seed, the
    epoch and its number alone, whatever was drawn before.
    """

    def __init__(
        self, images: np.ndarray, rows: pd.DataFrame, task: str, batch_size: int, settings: Augmentation, seed: int
    ) -> None:
        super().__init__()
        rows = rows.loc[rows.index.repeat(rows["draws"])]
        self.images, self.batch_size, self.settings, self.seed = images, batch_size, settings, seed
        self.image = rows["image"].to_numpy()
        self.target = class_numbers(rows["class"], task).astype("float32")[:, None]
        self.weight = rows["weight"].to_numpy("float32")
        self.augment = {
            "all": np.ones(len(rows), bool),
            "repeats": rows["augment"].to_numpy(bool),
            "none": np.zeros(len(rows), bool),
        }[settings.apply_to]
        self.epoch = 0
        self._shuffle()

    def __len__(self) -> int:
        return -(-len(self.image) // self.batch_size)

    def __getitem__(self, number: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        rows = self.order[number * self.batch_size : (number + 1) * self.batch_size]
        # Not `number` itself: NumPy takes trailing zeros as absent, and [seed, epoch] is what the epoch shuffles with.
        rng = np.random.default_rng([self.seed, self.epoch, number + 1])
        pose, tone = augmentation.draw(rng, self.augment[rows], self.images.shape[1], self.settings)
        inputs = {"image": self.images[self.image[rows]][..., None], "pose": pose, "tone": tone}
        return inputs, self.target[rows], self.weight[rows]

    def on_epoch_end(self) -> None:
        """Shuffle for the next epoch."""
        self.epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        self.order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.image))


class FilmBatches(keras.utils.PyDataset):
    """Films in their order, as they are: batches of uint8 (B, S, S, 1) to predict on."""

    def __init__(self, images: np.ndarray, rows: np.ndarray, batch_size: int = 32) -> None:
        super().__init__()
        self.images, self.rows, self.batch_size = images, rows, batch_size

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __getitem__(self, number: int) -> tuple[np.ndarray]:
        return (self.images[self.rows[number * self.batch_size : (number + 1) * self.batch_size]][..., None],)
