"""`clean` and `predict` on a real Dask cluster, of which one worker is killed while it works: the same outputs."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pneumonia.sources.shared.raw import Film, write_index

from .conftest import REPOSITORY, write_params
from .mlflow_server import free_port
from .small_classifier import brightness_network, decision, png, register_classifier, write_classifier

FILMS, WORKERS = 1500, 3
ENVIRONMENT = os.environ | {
    "PYTHONPATH": str(REPOSITORY / "src"),
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "30s",
}


@contextmanager
def cluster() -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """The address of a scheduler, and its workers: processes that nobody starts anew."""
    address = f"tcp://127.0.0.1:{free_port()}"
    dask = [sys.executable, "-m", "dask"]
    scheduler = [*dask, "scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2], "--no-dashboard"]
    worker = [*dask, "worker", address, "--no-nanny", "--nthreads", "1", "--no-dashboard"]
    started = [subprocess.Popen(each, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
               for each in [scheduler, *[worker] * WORKERS]]  # fmt: skip
    try:
        from distributed import Client

        with Client(address, timeout=60) as client:
            client.wait_for_workers(WORKERS, timeout=60)
        yield address, started[1:]
    finally:
        for process in started:
            process.kill()
            process.wait()


def run_and_kill(command: list[str], folder: Path, some_done: Callable[[], bool], victim: subprocess.Popen) -> None:
    """Run a command, and kill a worker while it works."""
    process = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    while not some_done():
        assert process.poll() is None, f"it ended before a worker was killed: {process.communicate()[1][-2000:]}"
        time.sleep(0.005)
    victim.kill()
    assert process.poll() is None
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors[-3000:]


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """A folder of films, no two alike."""
    folder = tmp_path_factory.mktemp("films")
    smooth = np.add.outer(np.arange(300), np.arange(300)) // 4
    for number in range(FILMS):
        film = smooth + np.random.default_rng(number).integers(0, 100, (300, 300))
        (folder / f"{number:04}.png").write_bytes(png(film.astype(np.uint8)))
    return folder


@pytest.mark.slow
def test_clean_on_a_cluster_that_loses_a_worker_gives_the_same_outputs(films, tmp_path):
    raw = [
        Film(path.name, ("normal", "bacterial")[number % 2], path.stem)
        for number, path in enumerate(sorted(films.iterdir()))
    ]
    folders = []
    with cluster() as (address, workers):
        for name, scheduler in [("alone", "local"), ("cluster", address)]:
            folder = tmp_path / name
            (folder / "data").mkdir(parents=True)
            os.symlink(films, folder / "data" / "raw")
            folders.append(folder)
            write_params(
                folder / "params.yaml",
                {"clean.image_size": 64, "clean.min_size": 32, "compute.scheduler": scheduler, "compute.workers": 2},
            )
        write_index(films, raw, {"name": "test", "licence": "none"})
        command = [sys.executable, str(REPOSITORY / "stages" / "clean.py")]
        subprocess.run(command, cwd=folders[0], env=ENVIRONMENT, check=True, stderr=subprocess.DEVNULL)

        def some_done() -> bool:
            packed = list(folders[1].rglob("unsorted"))
            return bool(packed) and packed[0].stat().st_size > FILMS // 5 * 64 * 64

        run_and_kill(command, folders[1], some_done, workers[1])
    kept = pd.read_csv(folders[1] / "data" / "clean" / "index.csv", dtype=str)
    assert sorted(kept["file"]) == [film.file for film in raw]
    for place in ("data/clean", "reports"):
        names = [
            sorted(path.relative_to(folder) for path in (folder / place).rglob("*") if path.is_file())
            for folder in folders
        ]
        assert names[0] == names[1]
        for name in names[0]:
            assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


@pytest.mark.slow
def test_predict_on_a_cluster_that_loses_a_worker_gives_the_same_rows(films, tmp_path, monkeypatch):
    registry = register_classifier(tmp_path, write_classifier(tmp_path / "model", brightness_network(), decision()))
    monkeypatch.setitem(ENVIRONMENT, "MLFLOW_TRACKING_URI", registry)
    predict = [sys.executable, "-m", "pneumonia.commands.cli", "predict", str(films), "--format", "json"]
    alone = [*predict, "--output", "alone.json"]
    subprocess.run(alone, cwd=tmp_path, env=ENVIRONMENT, check=True, stderr=subprocess.DEVNULL)
    partial = tmp_path / "cluster.json.partial"
    with cluster() as (address, workers):
        command = [*predict, "--output", "cluster.json", "--scheduler", address]

        def some_done() -> bool:
            return partial.exists() and partial.read_text().count('"file"') > FILMS // 5

        run_and_kill(command, tmp_path, some_done, workers[1])
    rows = [json.loads((tmp_path / name).read_text()) for name in ("alone.json", "cluster.json")]
    assert len(rows[1]) == FILMS
    assert rows[0] == rows[1]
