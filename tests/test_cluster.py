"""`clean` and `predict` on a real Dask cluster that loses a worker, all of them, or its scheduler."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from pneumonia.sources.shared.raw import Film, write_index

from .conftest import REPOSITORY, write_params
from .dask_cluster import ENVIRONMENT, DaskCluster, kill
from .small_classifier import brightness_network, decision, png, register_classifier, write_classifier

FILMS, WORKERS = 1500, 3


def start(command: list[str], some_done: Callable[[], bool], folder: Path) -> subprocess.Popen:
    """Start a command, and return in the midst of its work."""
    process = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    while not some_done():
        assert process.poll() is None, f"it ended before anything was killed: {process.communicate()[1][-2000:]}"
        time.sleep(0.005)
    return process


def run_and_kill(command: list[str], folder: Path, some_done: Callable[[], bool], cluster: DaskCluster) -> None:
    """Run a command, and kill a worker while it works for it."""
    process = start(command, some_done, folder)
    assert cluster.kill_worker_at_work() > 0
    assert process.poll() is None
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors[-3000:]


def assert_told(process: subprocess.Popen, seconds: float, told: str) -> None:
    """The process ends with one line, within so many seconds, and none of its own outlives it."""
    children = psutil.Process(process.pid).children(recursive=True)
    _, errors = process.communicate(timeout=seconds)
    assert process.returncode == 1, errors[-3000:]
    assert "Traceback" not in errors
    [line] = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: {told}")
    assert not psutil.wait_procs(children, timeout=5)[1]


def files(folder: Path) -> dict[Path, bytes]:
    """All files in it, with their bytes."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """A folder of films, no two alike."""
    folder = tmp_path_factory.mktemp("films")
    smooth = np.add.outer(np.arange(300), np.arange(300)) // 4
    for number in range(FILMS):
        film = smooth + np.random.default_rng(number).integers(0, 100, (300, 300))
        (folder / f"{number:04}.png").write_bytes(png(film.astype(np.uint8)))
    return folder


def prepare_clean(folder: Path, films: Path, scheduler: str) -> tuple[list[str], Callable[[], bool]]:
    """What runs `clean` in `folder`, and whether a fifth of its films is done."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    if not (folder / "data" / "raw").exists():
        os.symlink(films, folder / "data" / "raw")
    write_params(
        folder / "params.yaml",
        {"clean.image_size": 64, "clean.min_size": 32, "compute.scheduler": scheduler, "compute.workers": 2},
    )

    def some_done() -> bool:
        packed = list(folder.rglob("unsorted"))
        return bool(packed) and packed[0].stat().st_size > FILMS // 5 * 64 * 64

    return [sys.executable, str(REPOSITORY / "stages" / "clean.py")], some_done


@pytest.fixture(scope="module")
def cleaned(films, tmp_path_factory) -> Path:
    """A folder in which one process has cleaned the films."""
    folder = tmp_path_factory.mktemp("alone")
    raw = [
        Film(path.name, ("normal", "bacterial")[number % 2], path.stem)
        for number, path in enumerate(sorted(films.glob("*.png")))
    ]
    write_index(films, raw, {"name": "test", "licence": "none"})
    command, _ = prepare_clean(folder, films, "local")
    subprocess.run(command, cwd=folder, env=ENVIRONMENT, check=True, stderr=subprocess.DEVNULL)
    return folder


@pytest.mark.slow
def test_clean_on_a_cluster_that_loses_a_worker_gives_the_same_outputs(films, cleaned, tmp_path):
    with DaskCluster(WORKERS) as cluster:
        command, some_done = prepare_clean(tmp_path, films, cluster.address)
        run_and_kill(command, tmp_path, some_done, cluster)
    kept = pd.read_csv(tmp_path / "data" / "clean" / "index.csv", dtype=str)
    assert sorted(kept["file"]) == sorted(film.name for film in films.glob("*.png"))
    for place in ("data/clean", "reports"):
        assert files(tmp_path / place) == files(cleaned / place)


@pytest.mark.slow
def test_clean_whose_scheduler_dies_ends_with_one_line_and_leaves_the_earlier_outputs(films, cleaned, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(cleaned, folder, symlinks=True)
    before = {place: files(folder / place) for place in ("data", "reports")}
    with DaskCluster(WORKERS) as cluster:
        process = start(*prepare_clean(folder, films, cluster.address), folder)
        kill(cluster.scheduler)
        assert_told(process, 60, f"Dask scheduler {cluster.address}: it is gone")
    assert {place: files(folder / place) for place in ("data", "reports")} == before


@pytest.fixture(scope="module")
def predict(films, tmp_path_factory) -> list[str]:
    """A command for the rows of the films."""
    folder = tmp_path_factory.mktemp("registry")
    model = write_classifier(folder / "model", brightness_network(), decision())
    settings = f"MLFLOW_TRACKING_URI={register_classifier(folder, model)}"
    return ["env", settings, sys.executable, "-m", "pneumonia.commands.cli", "predict", str(films), "--format", "json"]


def prepare_predict(predict: list[str], folder: Path, scheduler: str) -> tuple[list[str], Callable[[], bool]]:
    """What writes `rows.json` into `folder`, and whether a fifth of the rows is there."""
    partial = folder / "rows.json.partial"

    def some_done() -> bool:
        return partial.exists() and partial.read_text().count('"file"') > FILMS // 5

    return [*predict, "--output", "rows.json", "--scheduler", scheduler], some_done


@pytest.mark.slow
def test_predict_on_a_cluster_that_loses_a_worker_gives_the_same_rows(predict, tmp_path):
    alone = [*predict, "--output", "alone.json"]
    subprocess.run(alone, cwd=tmp_path, env=ENVIRONMENT, check=True, stderr=subprocess.DEVNULL)
    with DaskCluster(WORKERS) as cluster:
        command, some_done = prepare_predict(predict, tmp_path, cluster.address)
        run_and_kill(command, tmp_path, some_done, cluster)
    rows = [json.loads((tmp_path / name).read_text()) for name in ("alone.json", "rows.json")]
    assert len(rows[1]) == FILMS
    assert rows[0] == rows[1]


@pytest.mark.slow
def test_predict_whose_workers_all_die_ends_with_one_line_and_leaves_the_earlier_rows(predict, tmp_path):
    (tmp_path / "rows.json").write_text("earlier")
    with DaskCluster(WORKERS) as cluster:
        process = start(*prepare_predict(predict, tmp_path, cluster.address), tmp_path)
        for worker in cluster.workers:
            kill(worker)
        assert_told(process, 90, f"Dask scheduler {cluster.address}: it has had no workers for 60 s")
    assert (tmp_path / "rows.json").read_text() == "earlier"
