"""Processes that train together: where one is gone the others end, and say which; the next start goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from ..conftest import write_params
from ..small_repository import ENVIRONMENT, SMALL, Repository
from .test_devices import needs, start, together

TOGETHER = """
import sys, time
from pneumonia.training.devices import join_processes, process
join_processes()
import numpy as np
from jax.experimental.multihost_utils import process_allgather
from pneumonia.errors import UserError, exit_on_user_error
from pneumonia.training.companions import watched_companions
with exit_on_user_error(), watched_companions():
    for step in range({steps}):
        process_allgather(np.uint32(step))
        print(step, flush=True)
        if step == 3 and process()[0] in {failing}:
            raise UserError("the disk is full")
"""
ENDLESS = 10**9


def start_all(folder: Path, count: int, steps: int = ENDLESS, failing: tuple[int, ...] = ()) -> list[subprocess.Popen]:
    """As many processes, which do a collective in each of `steps`."""
    needs("jax")
    return [start(folder, TOGETHER.format(steps=steps, failing=failing), **each) for each in together(count)]


def steps_done(process: subprocess.Popen, count: int) -> None:
    for _ in range(count):
        assert process.stdout.readline()


@pytest.mark.slow
@pytest.mark.parametrize("gone", [0, 2])
def test_where_one_of_four_is_killed_the_others_end_at_once_and_say_which(tmp_path, gone):
    processes = start_all(tmp_path, 4)
    steps_done(processes[1], 5)
    processes[gone].kill()
    started = time.monotonic()
    told = [process.communicate(timeout=60)[1] for process in processes]
    assert time.monotonic() - started < 20  # JAX takes 60 s and more
    for number, (process, errors) in enumerate(zip(processes, told, strict=True)):
        assert process.returncode != 0
        lines = [line for line in errors.splitlines() if line.startswith("error: ")]
        assert len(lines) == (number != gone), errors
        assert all(line.startswith(f"error: process {gone} on ") for line in lines)


@pytest.mark.slow
def test_where_one_of_two_fails_the_other_ends_and_says_which(tmp_path):
    processes = start_all(tmp_path, 2, failing=(0,))
    told = [process.communicate(timeout=120)[1] for process in processes]
    assert "error: the disk is full" in told[0]
    assert "error: process 0 on" in told[1] and "has failed" in told[1], told
    assert all(process.returncode != 0 for process in processes)


@pytest.mark.slow
def test_two_that_fail_alike_each_say_why_and_two_that_are_done_say_nothing(tmp_path):
    for failing, ends in [((0, 1), [1, 1]), ((), [0, 0])]:
        processes = start_all(tmp_path, 2, steps=5, failing=failing)
        told = [process.communicate(timeout=120)[1] for process in processes]
        assert [process.returncode for process in processes] == ends, told
        assert [errors.count("error: the disk is full") for errors in told] == ends
        assert not any("train together" in errors for errors in told)


@pytest.mark.endurance
@pytest.mark.parametrize("gone", [0, 1])
def test_two_that_train_go_on_where_one_was_killed(tmp_path, gone):
    needs("jax")
    project = Repository(tmp_path / "project")
    project.run("dvc", "repro", "rebalance")
    write_params(project.root / "params.yaml", SMALL | {"train.epochs": 12})
    first = ["dvc", "repro", "--single-item", "train"]
    other = [sys.executable, "stages/train.py"]
    checkpoint = project.root / "models" / ".checkpoint.npz"

    def start_both() -> list[subprocess.Popen]:
        common = ENVIRONMENT | {"PYTHONPATH": "src", "XLA_FLAGS": "--xla_backend_optimization_level=0"}
        how = {"cwd": project.root, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        commands = zip((first, other), together(2), strict=True)
        return [subprocess.Popen(command, env=common | each, **how) for command, each in commands]

    processes = start_both()
    while not checkpoint.exists():
        time.sleep(0.05)
        assert [process.poll() for process in processes] == [None, None], processes[0].communicate()[0]
    os.kill(training_process(processes[gone].pid), signal.SIGKILL)
    told = [process.communicate(timeout=60)[0] for process in processes]
    assert f"error: process {gone} on " in told[1 - gone]
    assert [process.returncode != 0 for process in processes] == [True, True]
    assert not (project.root / "models" / "model.keras").exists()

    told = [process.communicate(timeout=600)[0] for process in start_both()]
    assert "Epoch 1/12" not in told[0] and "Epoch 12/12" in told[0], told
    assert list(pd.read_csv(project.root / "reports" / "history.csv")["epoch"]) == list(range(1, 13))
    [run] = project.mlflow_runs()
    assert [metric.step for metric in project.mlflow().get_metric_history(run.info.run_id, "epoch/loss")] == list(
        range(1, 13)
    )


def training_process(pid: int) -> int:
    """The process, of `pid` and those that it started, which trains."""
    import psutil

    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    [training] = [each for each in family if each.cmdline()[1:] == ["stages/train.py"]]
    return training.pid
