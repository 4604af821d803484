"""Stages killed by SIGKILL, at the worst moments and at random: the next `dvc repro` ends as if nothing had been."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
import yaml

from .conftest import write_params
from .small_repository import ENVIRONMENT, SMALL, STAGES, Repository

CHANGES: dict[str, dict[str, Any]] = {
    "download": {"datasets.phantom.seed": 1},
    "clean": {"clean.image_size": 48},
    "split": {"split.test_fraction": 0.3},
    "rebalance": {"rebalance.method": "augment"},
    "train": {"train.epochs": 4, "train.optimizer": "sgd"},
    "evaluate": {"evaluate.threshold": "youden"},
}
"""What makes a stage give other outputs than those of `SMALL`, so that a mixture would be seen."""

WORST = [
    ("clean", "pathlib:Path.replace", 5),  # the reports are new, data/clean has been moved away
    ("train", "pneumonia.registry.runs:log_training", 1),  # all files are new, the run does not know its model
    ("evaluate", "pneumonia.outputs:_replace", 5),  # half of the files are new
    ("evaluate", "pneumonia.registry.versions:_alias_and_reason", 1),  # registered, not decided
    ("evaluate", "mlflow:MlflowClient.set_registered_model_alias", 1),  # decided, neither alias nor decision
]
"""A stage, a function, and in which of its calls the process is killed."""

BAD = [
    ("download", "pathlib:Path.replace", 2),  # data/raw has been moved away
    ("clean", "pathlib:Path.replace", 2),  # reports/clean has been moved away
    ("rebalance", "pathlib:Path.replace", 2),  # one of two files is new
    ("train", "pneumonia.outputs:_replace", 2),  # the model is new, what is known of it is not
    ("evaluate", "pneumonia.registry.runs:complete_run", 1),  # decided, not complete
]

KILLED = """
import importlib, os, runpy, signal
module, _, name = {target!r}.partition(":")
*owners, last = name.split(".")
owner = importlib.import_module(module)
for each in owners: owner = getattr(owner, each)
function, calls = getattr(owner, last), []
def killed(*arguments, **named):
    calls.append(1)
    if len(calls) == {call}: os.kill(os.getpid(), signal.SIGKILL)
    return function(*arguments, **named)
setattr(owner, last, killed)
runpy.run_path("stages/{stage}.py", run_name="__main__")
"""

KILLS = 20
REPRO = ["dvc", "repro", "--single-item"]


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Repository:
    """The project after its first `dvc repro`."""
    project = Repository(tmp_path_factory.mktemp("project"))
    project.run("dvc", "repro")
    project.commit()
    return project


@pytest.fixture(scope="module")
def undisturbed(repository) -> dict[str, Any]:
    """By stage, what it gives with `CHANGES`, and the seconds that it takes; made when asked for."""

    class Made(dict[str, Any]):
        def __missing__(self, stage: str) -> tuple[Any, float]:
            change(repository, stage)
            started = time.monotonic()
            repository.run(*REPRO, stage)
            self[stage] = outputs(repository, stage), time.monotonic() - started
            restore(repository)
            return self[stage]

    return Made()


def change(repository: Repository, stage: str) -> None:
    write_params(repository.root / "params.yaml", SMALL | CHANGES[stage])


def restore(repository: Repository) -> None:
    repository.run("git", "checkout", "--quiet", "params.yaml", "dvc.lock")
    repository.run("dvc", "checkout", "--quiet", "--force")
    repository.run("git", "checkout", "--quiet", ".")


def outputs(repository: Repository, stage: str) -> list[dict[str, Any]]:
    """The paths and hashes of a stage's outputs, as DVC has just computed them from the files."""
    lock = yaml.safe_load((repository.root / "dvc.lock").read_text())
    return lock["stages"][stage]["outs"]


def assert_no_ghosts(repository: Repository) -> None:
    assert {run.info.status for run in repository.mlflow_runs()} <= {"FINISHED", "FAILED", "KILLED"}
    assert all("decision" in version.tags for version in repository.mlflow().search_model_versions())


@pytest.mark.parametrize(
    ("stage", "target", "call"),
    [pytest.param(*moment, marks=pytest.mark.slow) for moment in WORST]
    + [pytest.param(*moment, marks=pytest.mark.endurance) for moment in BAD],
)
def test_a_stage_killed_at_its_worst_moment(repository, undisturbed, stage, target, call):
    expected, _ = undisturbed[stage]
    change(repository, stage)
    code = KILLED.format(stage=stage, target=target, call=call)
    done = subprocess.run([sys.executable, "-c", code], cwd=repository.root, env=ENVIRONMENT | {"PYTHONPATH": "src"},
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    repository.run(*REPRO, stage)
    assert outputs(repository, stage) == expected
    assert_no_ghosts(repository)
    restore(repository)


@pytest.mark.endurance
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_killed_twenty_times_at_random(repository, undisturbed, stage):
    expected, seconds = undisturbed[stage]
    rng = random.Random(stage)
    for _ in range(KILLS):
        change(repository, stage)
        with subprocess.Popen([*REPRO, stage], cwd=repository.root, env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, start_new_session=True) as process:  # fmt: skip
            time.sleep(rng.uniform(0, seconds))
            os.killpg(process.pid, signal.SIGKILL)
        rwlock = repository.root / ".dvc" / "tmp" / "rwlock"
        if rwlock.is_file() and not rwlock.read_text():
            rwlock.unlink()  # as docs/operations.md says under Problems: DVC's own flaw
        repository.run(*REPRO, stage)
        assert outputs(repository, stage) == expected
        assert_no_ghosts(repository)
        restore(repository)


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_nothing_outlives_a_dvc_that_was_killed(tmp_path, shell):
    """Neither the stage nor its workers: they would hold the pipe, and `dvc repro | tee log` would not return."""
    project = Repository(tmp_path)
    write_params(tmp_path / "params.yaml", SMALL | {"datasets.phantom.patients": 20_000, "compute.workers": 2})
    environment = ENVIRONMENT | {"SHELL": shutil.which(shell)}
    with subprocess.Popen(["dvc", "repro", "download"], cwd=project.root, env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:  # fmt: skip
        assert process.stdout
        while not list(tmp_path.glob("data/.partial-raw/images/*")):  # the workers are at work
            assert process.poll() is None
            time.sleep(0.1)
        process.kill()
        started = time.monotonic()
        process.stdout.read()  # until no process holds it any more
        assert time.monotonic() - started < 20
