"""A disk that is really full, in each stage and command: a small file system in memory, filled up."""

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from .small_repository import ENVIRONMENT, STAGES, Repository

pytestmark = pytest.mark.slow

LEFT = {"download": 40, "clean": 100, "split": 0, "rebalance": 8, "train": 3000, "evaluate": 200}
"""KiB that are left: enough to begin with, and not to end."""
WHERE = {
    "download": "data/raw", "clean": "data/clean", "split": "data/split.csv", "rebalance": "reports/rebalance.png",
    "train": "models/.checkpoint.npz", "evaluate": "reports/evaluation",
}  # fmt: skip
TOLD = "error: {}: cannot be written (No space left on device); what was there before is whole"


@pytest.fixture(scope="module")
def disk(tmp_path_factory) -> Iterator[Path]:
    """A file system of 160 MB."""
    place = tmp_path_factory.mktemp("disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture(scope="module")
def repository(disk, tmp_path_factory) -> Repository:
    """The project on that disk after its first run."""
    project = Repository(disk / "project")
    (project.root / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {tmp_path_factory.mktemp('cache')}\n")
    project.run("dvc", "repro")
    return project


@contextmanager
def full(disk: Path, left: int) -> Iterator[None]:
    """Leave only so many KiB."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - left * 1024)
    try:
        yield
    finally:
        ballast.unlink()


def run(repository: Repository, *command: str, stdout: int | Path = subprocess.PIPE) -> subprocess.CompletedProcess:
    environment = ENVIRONMENT | {"PYTHONPATH": "src", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(command, cwd=repository.root, env=environment, stdout=stdout, stderr=subprocess.PIPE,
                          text=True, timeout=300, check=False)  # fmt: skip


def outputs(root: Path) -> dict[str, bytes]:
    files = [file for folder in ("data", "models", "reports") for file in (root / folder).rglob("*") if file.is_file()]
    return {str(file.relative_to(root)): file.read_bytes() for file in files}


def assert_told(done: subprocess.CompletedProcess, told: str) -> None:
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert told in line


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_on_a_full_disk_is_told_in_one_line_and_succeeds_when_there_is_room(repository, disk, stage):
    before = outputs(repository.root)
    with full(disk, LEFT[stage]):
        assert_told(run(repository, sys.executable, f"stages/{stage}.py"), TOLD.format(WHERE[stage]))
        assert outputs(repository.root) == before
    done = run(repository, sys.executable, f"stages/{stage}.py")
    assert done.returncode == 0, done.stderr
    assert outputs(repository.root) == before


def test_a_store_on_a_full_disk_is_told_in_one_line(repository, disk):
    with full(disk, 0):
        told = f"error: MLflow store sqlite:///{repository.root}/mlflow.db cannot be used: "
        assert_told(run(repository, sys.executable, "stages/train.py"), f"{told}database or disk is full")


def test_predict_and_export_on_a_full_disk_are_told_in_one_line(repository, disk):
    film, address = "data/raw/images/patient0001_1.jpeg", ["--model", "models:/pneumonia-binary/1"]
    predict = ["pneumonia", "predict", film, *address]
    (repository.root / "rows.csv").write_text("earlier")
    with full(disk, 0):
        assert_told(run(repository, *predict, "--output", "rows.csv"), TOLD.format("rows.csv"))
    assert (repository.root / "rows.csv").read_text() == "earlier"
    with full(disk, 0), (disk / "piped").open("wb") as piped:
        assert_told(run(repository, *predict, stdout=piped.fileno()), "or stdout: cannot be written (No space left")
    with full(disk, 0):
        done = run(repository, *predict, "--format", "csv", "--overlay", "drawn")
    assert done.returncode == 1
    [row] = pd.read_csv(io.StringIO(done.stdout)).to_dict("records")
    assert 0 <= row["probability"] <= 1  # no prediction is lost for a picture
    assert row["reason"].startswith("its picture cannot be written: drawn/")
    for form in ("onnx", "saved_model"):
        export = ["pneumonia", "export", film, *address, "--format", form, "--output", f"out/{form}"]
        (repository.root / "out").mkdir(exist_ok=True)
        with full(disk, 600):
            assert_told(run(repository, *export), TOLD.format(f"out/{form}"))
        assert not list((repository.root / "out").iterdir())
    assert run(repository, *predict, "--output", "rows.csv").returncode == 0
