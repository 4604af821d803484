"""TensorFlow keeps the memory that it has: set before it can be loaded, left to the user, and no result is another."""

import os
import subprocess
import sys

import numpy as np
import pytest

from ..conftest import REPOSITORY, write_params
from .test_devices import SCRIPT, finish, start

ASK = "import os, pneumonia; print(os.environ['TF_CPU_ALLOCATOR_USE_BFC'])"


def said(environment: dict[str, str]) -> str:
    variables = {**environment, "PYTHONPATH": str(REPOSITORY / "src")}
    return subprocess.run(
        [sys.executable, "-c", ASK], env=variables, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_it_is_set_with_the_package_and_what_the_user_has_set_stays():
    others = {name: value for name, value in os.environ.items() if name != "TF_CPU_ALLOCATOR_USE_BFC"}
    assert said(others) == "1"
    assert said(others | {"TF_CPU_ALLOCATOR_USE_BFC": "0"}) == "0"


@pytest.mark.slow
def test_a_training_ends_in_the_same_weights_with_it_and_without(tmp_path):
    """Without oneDNN, which on newer processors has its own store of memory."""
    weights = []
    for store in ("0", "1"):
        folder = tmp_path / store
        folder.mkdir()
        changes = {"model": "resnet", "clean.image_size": 64, "train.epochs": 2, "train.batch_size": 8}
        write_params(folder / "params.yaml", changes | {"train.precision": "float32", "train.ema": 0.5})
        environment = {"TF_CPU_ALLOCATOR_USE_BFC": store, "TF_ENABLE_ONEDNN_OPTS": "0"}
        finish(start(folder, SCRIPT, KERAS_BACKEND="tensorflow", **environment))
        weights.append(np.load(folder / "out_0.npz"))
    without, with_it = weights
    assert set(without) == set(with_it)
    for name in without:
        assert np.array_equal(without[name], with_it[name]), name
