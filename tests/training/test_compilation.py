"""On JAX: how often a training compiles its steps, and that the next process compiles nothing."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from ..conftest import REPOSITORY, write_params
from .test_devices import SCRIPT, needs

CHANGES = {
    "train.epochs": 2, "train.batch_size": 8, "clean.image_size": 64, "train.ema": 0.9, "train.precision": "float32",
}  # fmt: skip


COUNTED = """
from collections import Counter
import jax.monitoring
events = Counter()
jax.monitoring.register_event_listener(lambda event, **facts: events.update([event.rpartition("/")[2]]))
from pneumonia.compilation import keep_compiled_programs
keep_compiled_programs()
"""
TELL = """
from pneumonia.compilation import compile_seconds
print("HITS", events["cache_hits"], "MISSES", events["cache_misses"], "SECONDS", compile_seconds())
"""


class Run(NamedTuple):
    """What JAX says of its compilations, how many programs its cache had and had not, and how long that took."""

    said: str
    hits: int
    misses: int
    seconds: float


def run(script: str, folder: Path, cache: Path) -> Run:
    """Run the `script` in a process of its own."""
    variables = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "KERAS_BACKEND": "jax"}
    variables |= {"PNEUMONIA_CACHE": str(cache), "JAX_LOG_COMPILES": "1"}
    done = subprocess.run(
        [sys.executable, "-c", COUNTED + script + TELL],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    hits, misses, seconds = re.findall(r"HITS (\d+) MISSES (\d+) SECONDS (\S+)", done.stdout)[0]
    return Run(done.stderr, int(hits), int(misses), float(seconds))


def compiled(said: str, step: str) -> int:
    return len(re.findall(rf"Compiling (?:jit\()?{step}", said))


@pytest.mark.slow
def test_each_step_is_compiled_once_and_by_the_next_process_not_at_all(tmp_path):
    """22 films in batches of 8, and 8 to validate on."""
    needs("jax")
    write_params(tmp_path / "params.yaml", CHANGES)
    first = run(SCRIPT, tmp_path, tmp_path / "cache")
    assert (compiled(first.said, "train_step"), compiled(first.said, "test_step")) == (1, 1)
    assert first.misses > 2
    again = run(SCRIPT, tmp_path, tmp_path / "cache")
    assert again.hits > 2 and again.misses == 0
    assert 0 < again.seconds < first.seconds


@pytest.mark.endurance
def test_another_seed_and_a_resumed_training_compile_nothing(tmp_path):
    needs("jax")
    write_params(tmp_path / "params.yaml", CHANGES)
    keeping = SCRIPT.replace("lambda state: None", "lambda state: states.append(state)")
    first = "states = []\n" + keeping + "import pickle; pickle.dump(states[0], open('state', 'wb'))\n"
    assert run(first, tmp_path, tmp_path / "cache").misses > 2
    resumed = "import pickle\n" + SCRIPT.replace("state: None)", "state: None, pickle.load(open('state', 'rb')))")
    assert run(resumed, tmp_path, tmp_path / "cache").misses == 0
    write_params(tmp_path / "params.yaml", CHANGES | {"seed": 1})
    assert run(SCRIPT, tmp_path, tmp_path / "cache").misses == 0


@pytest.mark.endurance
def test_with_a_head_that_is_trained_first_each_step_is_compiled_once_for_each_of_the_two_phases(tmp_path):
    """Published networks are trained so; here the weights are a file's."""
    needs("jax")
    changes = CHANGES | {
        "model": "mobilenet_v2",
        "models.mobilenet_v2.alpha": 0.35,
        "models.mobilenet_v2.head_epochs": 2,
    }
    write_params(tmp_path / "params.yaml", changes | {"models.mobilenet_v2.weights": "random"})
    run(SCRIPT, tmp_path, tmp_path / "cache")
    write_params(tmp_path / "params.yaml", changes | {"models.mobilenet_v2.weights": str(tmp_path / "model.keras")})
    two_phases = run(SCRIPT, tmp_path, tmp_path / "cache")
    assert (compiled(two_phases.said, "train_step"), compiled(two_phases.said, "test_step")) == (2, 2)
    assert run(SCRIPT, tmp_path, tmp_path / "cache").misses == 0


def test_a_cache_that_is_damaged_or_cannot_be_written_costs_time_and_nothing_else(tmp_path):
    needs("jax")
    script = "import jax; print(jax.jit(lambda x: x * 2 + 1)(20.5))\n"
    cache = tmp_path / "cache"
    run(script, tmp_path, cache)
    kept = list((cache / "compiled").iterdir())
    assert kept
    for file in kept:
        file.write_bytes(b"damaged")
    run(script, tmp_path, cache)
    run(script, tmp_path, Path("/proc/none"))
