"""The same code on each backend that is installed, on several devices, and on several processes."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from ..conftest import REPOSITORY, write_params

SCRIPT = """
import json, os, sys
from pathlib import Path
from pneumonia.training.devices import describe, gpus, join_processes, process
if os.environ.get("LOGICAL_CPUS"):
    import tensorflow as tf
    [cpu] = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
join_processes()
import keras
import numpy as np
import pandas as pd
from pneumonia.params.load import load_params
from pneumonia.training.fitting import train

films = np.random.default_rng(0).integers(0, 120, (30, 64, 64), dtype=np.uint8)
classes = (np.arange(30) % 3 != 0).astype(int)
films[classes == 1, 20:44, 20:44] += 100
names = np.where(classes[:22], "pneumonia", "normal")
rows = pd.DataFrame({"image": range(22), "class": names, "draws": 1, "augment": False, "weight": 1.0})
val = np.arange(22, 30 - int(os.environ.get("FEWER", 0))), classes[22 : 30 - int(os.environ.get("FEWER", 0))]
trained = train(load_params(Path("params.yaml")), films, rows, val, lambda state: None)
np.savez(
    f"out_{process()[0]}.npz",
    predicted=keras.ops.convert_to_numpy(trained.model(films[:8, ..., None])),
    **{f"weight_{number}": weight for number, weight in enumerate(trained.model.get_weights())},
)
if process()[0] == 0:
    trained.model.save("model.keras")
    trained.history.to_csv("history.csv", index=False)
print("RESULT", json.dumps({"device": trained.device, "val_loss": trained.history["val_loss"].tolist()}))
"""


def films() -> tuple[np.ndarray, np.ndarray]:
    """The films of the script and their classes."""
    pixels = np.random.default_rng(0).integers(0, 120, (30, 64, 64), dtype=np.uint8)
    classes = (np.arange(30) % 3 != 0).astype(int)
    pixels[classes == 1, 20:44, 20:44] += 100
    return pixels[..., None], classes


def predict(folder: Path, pixels: np.ndarray) -> np.ndarray:
    """What the model that the script wrote says in this process: with TensorFlow, on one device."""
    return keras.saving.load_model(folder / "model.keras", compile=False).predict(pixels, verbose=0)


def needs(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")


def start(folder: Path, script: str, **environment: str) -> subprocess.Popen:
    # For a few steps XLA's optimisations take longer than what they save.
    flags = f"--xla_backend_optimization_level=0 {environment.pop('XLA_FLAGS', '')}"
    variables = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(REPOSITORY / "src"), **environment}
    variables["XLA_FLAGS"] = flags
    return subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=folder,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def together(count: int) -> list[dict[str, str]]:
    """The environment of each of `count` processes that train together."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    names = ("BACKEND", "DISTRIBUTION_JOB_ADDRESSES", "DISTRIBUTION_NUM_PROCESSES", "DISTRIBUTION_PROCESS_ID")
    values = [("jax", address, str(count), str(number)) for number in range(count)]
    return [{f"KERAS_{name}": value for name, value in zip(names, each, strict=True)} for each in values]


def finish(process: subprocess.Popen) -> dict:
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors[-3000:]
    results = [line.removeprefix("RESULT ") for line in output.splitlines() if line.startswith("RESULT ")]
    return json.loads(results[0]) if results else {}


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with the parameters of a short training of the compact residual network."""
    small = {"model": "resnet", "clean.image_size": 64, "train.epochs": 2, "train.batch_size": 8}
    write_params(tmp_path / "params.yaml", small | {"train.precision": "float32", "train.ema": 0.5})
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_train_and_their_model_predicts_alike_on_tensorflow(folder, backend):
    needs(backend)
    result = finish(start(folder, SCRIPT, KERAS_BACKEND=backend))
    assert result["device"].startswith(f"{backend} on ")
    assert len(result["val_loss"]) == 2
    assert np.isfinite(result["val_loss"]).all()
    theirs = np.load(folder / "out_0.npz")["predicted"]
    assert predict(folder, films()[0][:8]) == pytest.approx(theirs, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "two_devices"),
    [
        ("tensorflow", {"LOGICAL_CPUS": "2"}),
        # Each device waits in a thread for the other. With as many threads as a machine of two cores has, two that wait
        # can keep the other device from starting: JAX then ends the process, as it once did.
        ("jax", {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "PJRT_NPROC": "8"}),
    ],
)
def test_two_devices_share_each_batch(folder, backend, two_devices):
    """With seven validation films, which do not fall into two equal parts."""
    needs(backend)
    result = finish(start(folder, SCRIPT, KERAS_BACKEND=backend, FEWER="1", **two_devices))
    assert np.isfinite(result["val_loss"]).all()
    pixels, classes = films()
    predicted, smoothed = predict(folder, pixels[22:29]), 0.95 * classes[22:29, None] + 0.025
    loss = -(smoothed * np.log(predicted) + (1 - smoothed) * np.log(1 - predicted)).mean()
    assert loss == pytest.approx(min(result["val_loss"]), rel=1e-3)


@pytest.mark.endurance
def test_processes_on_loopback_end_with_the_weights_of_one_and_one_history(folder):
    needs("jax")
    alone = finish(start(folder, SCRIPT, KERAS_BACKEND="jax"))
    of_one = dict(np.load(folder / "out_0.npz"))
    for count in (2, 4):
        environments = together(count)
        first, *others = [finish(process) for process in [start(folder, SCRIPT, **each) for each in environments]]
        assert all(other["val_loss"] == first["val_loss"] for other in others)
        assert first["val_loss"] == pytest.approx(alone["val_loss"], rel=1e-4)
        assert f"of each of {count} processes" in first["device"]
        weights = [np.load(folder / f"out_{number}.npz") for number in range(count)]
        for name, value in of_one.items():
            assert all(np.array_equal(weights[0][name], other[name]) for other in weights), name
            assert weights[0][name] == pytest.approx(value, rel=1e-3, abs=1e-4), name
