"""The packed films (see `preparation.cleaning.clean`) read back: their pixels, their classes, their boxes."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd


def open_images(clean: Path) -> np.ndarray:
    """The packed films, uint8 (N, S, S), memory-mapped."""
    images: np.ndarray = np.load(clean / "images.npy", mmap_mode="r")
    return images


def read_part(split: Path, part: str, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """The films of one part: rows in the packed images, int64 (N,); `class_numbers`, int64 (N,); rows of `split`."""
    films = pd.read_csv(split, dtype={"patient": str}, keep_default_na=False)
    films = films[films["part"] == part].reset_index(drop=True)
    return films["image"].to_numpy(), class_numbers(films["class"], names), films


def class_numbers(classes: pd.Series, names: Sequence[str]) -> np.ndarray:
    """The positions, int64 (N,), of the films' `classes` in `names`, which holds all of them."""
    numbers: np.ndarray = classes.map({name: number for number, name in enumerate(names)}).to_numpy("int64")
    return numbers


def read_boxes(clean: Path) -> list[np.ndarray]:
    """The boxes for each row of `clean/index.csv`, float (K, 4) in pixels of the packed film."""
    films = pd.read_csv(clean / "index.csv", usecols=["file"], dtype=str, keep_default_na=False)["file"]
    table = pd.read_csv(clean / "boxes.csv", dtype={"file": str})
    of_film = {file: rows[["x", "y", "width", "height"]].to_numpy(float) for file, rows in table.groupby("file")}
    none = np.empty((0, 4))
    return [of_film.get(file, none) for file in films]


class FilmBatches(keras.utils.PyDataset):
    """Batches of films to predict on, uint8 (B, S, S, 1): unchanged, in the order of `rows`.

    The last one is filled up with films that were there already, since a network is compiled anew for each shape.
    """

    def __init__(self, images: np.ndarray, rows: np.ndarray, batch_size: int = 32) -> None:
        super().__init__()
        self.images, self.rows, self.batch_size = images, rows, batch_size

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __getitem__(self, number: int) -> tuple[np.ndarray]:
        rows = self.rows[number * self.batch_size : (number + 1) * self.batch_size]
        return (self.images[np.concatenate([rows, np.resize(self.rows, self.batch_size - len(rows))])][..., None],)
