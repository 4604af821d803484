"""The ONNX twin that a registered version carries, checked on its validation films."""

import logging
from pathlib import Path

import pandas as pd

from pneumonia.errors import UserError
from pneumonia.inference.predictor import FILES, KERAS_MODEL, TWIN
from pneumonia.inference.twin import write_twin
from pneumonia.models.shared.weights import read_network
from pneumonia.preparation.packed.films import open_images

log = logging.getLogger(__name__)


def add_twin(models: Path, data: Path, directory: Path) -> str:
    """Have in the empty `directory` the files of the classifier in `models`, and its twin if it can have one.

    `data` holds `clean/images.npy` and `split.csv`. Returns what came of it, in words.
    """
    for file in FILES:
        (directory / file).symlink_to((models / file).resolve())
    films = pd.read_csv(data / "split.csv", usecols=["image", "part"])
    images = open_images(data / "clean")[films.loc[films["part"] == "val", "image"]]
    try:
        difference = write_twin(read_network(models / KERAS_MODEL), images[..., None], directory / TWIN)
    except UserError as error:
        log.warning("the version carries no ONNX twin, and answers by Keras: %s", error)
        return f"none: {error}"
    return f"differs from Keras by {difference:.1e} at most on {len(images)} validation films"
