"""What somebody adds who follows src/pneumonia/README.md, through the real pipeline."""

import json
from pathlib import Path

import pytest

from .conftest import write_params
from .small_repository import SMALL, Repository

TOY_NETWORK = '''
"""A network of one unit."""

from __future__ import annotations

from pneumonia.models.shared.ends import UNIT, film_input, probabilities
from pneumonia.models.shared.lazy_keras import keras, layers
from pneumonia.models.shared.settings import Scratch
from pneumonia.params.blocks import Positive

INPUT_SIZE = 64


class Settings(Scratch):
    """Its block in params.yaml."""

    pool: Positive


def build(settings: Settings, image_size: int, outputs: int, weights: str | None) -> keras.Model:
    """The network (see `models.shared.building`)."""
    film, x = film_input(image_size, UNIT)
    x = layers.AveragePooling2D(settings.pool)(x)
    return keras.Model(film, probabilities(layers.Flatten()(x), outputs), name="toy")
'''
TOY_SOURCE = '''
"""Films of noise, of which those with pneumonia are bright on one side."""

from pathlib import Path

import numpy as np
from PIL import Image

from pneumonia.params.blocks import Positive, SourceBlock
from pneumonia.params.stages import Compute
from pneumonia.sources.shared.raw import Film, write_index


class Settings(SourceBlock):
    """Its block in params.yaml."""

    films: Positive


def fetch(settings: Settings, directory: Path, compute: Compute) -> None:
    """Write the films into `directory` (see `sources.shared.raw`)."""
    rows = []
    for number in range(settings.films):
        grey = np.random.default_rng(number).integers(60, 120, (80, 80), np.uint8)
        grey[:, :40] += np.uint8(80 * (number % 2))
        Image.fromarray(grey).save(directory / f"{number}.png")
        rows.append(Film(f"{number}.png", ["normal", "pneumonia"][number % 2], str(number)))
    write_index(directory, rows, {"name": "toy", "licence": "MIT"})
'''


@pytest.mark.slow
def test_a_new_network_and_a_new_source_are_a_file_and_a_block_each(tmp_path: Path) -> None:
    repository, package = Repository(tmp_path), tmp_path / "src" / "pneumonia"
    recipe = {"optimizer": "adam", "learning_rate": 0.05, "weight_decay": 0, "ema": 0, "label_smoothing": 0, "mixup": 0}
    recommended = {"image_size": 64, "batch_size": 16, "epochs": 4, "strength": 0, "least_share": 0}
    network = {"weights": "random", "pool": 16, "recommended": recipe}
    source = {"films": 80, "recommended": recommended | {"exchanged_surroundings": 0}}
    chosen = {"model": "toy", "dataset": "toy", "clean.image_size": "auto", "train.epochs": "auto"}
    for name, code in (("models/toy/network.py", TOY_NETWORK), ("sources/toy/source.py", TOY_SOURCE)):
        (package / name).parent.mkdir()
        (package / name).write_text(code)
    write_params(tmp_path / "params.yaml", SMALL | {"models.toy": network | {"pool": 0}})
    told = repository.run("python", "-m", "pneumonia.params", check=False, PYTHONPATH="src")
    assert told == "error: params.yaml: models.toy.pool is 0; it should be greater than or equal to 1\n"

    write_params(tmp_path / "params.yaml", SMALL | {"models.toy": network, "datasets.toy": source} | chosen)
    repository.run("dvc", "repro")
    metrics = json.loads((tmp_path / "reports" / "metrics.json").read_text())
    assert metrics["test"]["roc_auc"] == 1
    film = tmp_path / "data" / "raw" / "1.png"
    [version] = repository.mlflow().search_model_versions("tags.dataset = 'toy'")
    address = f"models:/pneumonia-binary/{version.version}"
    command = ["pneumonia", "predict", str(film), "--model", address, "--format", "csv"]
    assert ",pneumonia," in repository.run(*command, PYTHONPATH="src")
