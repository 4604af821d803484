"""Two people run the project, and DVC's record of all that they made is the same, byte by byte."""

import shutil
import subprocess
from pathlib import Path

import pytest

from .small_repository import ENVIRONMENT, Repository

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return reproduced(tmp_path_factory.mktemp("first") / "project")


def reproduced(root: Path, **environment: str) -> bytes:
    """dvc.lock after `dvc repro` in a copy of the project."""
    repository = Repository(root)
    repository.run("dvc", "repro", **environment)
    repository.commit()
    repository.run("dvc", "repro", "--force", "--single-item", "evaluate", **environment)
    assert repository.run("git", "status", "--short") == ""
    return (root / "dvc.lock").read_bytes()


def test_in_another_folder_at_another_time_with_other_workers_all_is_the_same(lock, tmp_path):
    elsewhere = tmp_path / "another place" / "with a longer name"
    assert reproduced(elsewhere, TZ="Asia/Tokyo", LC_ALL="C", USER="somebody", PYTHONHASHSEED="7") == lock


def test_on_another_python_all_is_the_same(lock, tmp_path):
    python = shutil.which("python3.13", path=ENVIRONMENT["PATH"])
    has_all = python and subprocess.run([python, "-c", "import dvc, mlflow, tensorflow"], check=False).returncode == 0
    if not has_all:
        pytest.skip("there is no Python 3.13 with the packages of requirements.lock")
    environment = ENVIRONMENT["PATH"].partition(":")
    assert reproduced(tmp_path / "project", PATH=f"{Path(python).parent}:{environment[2]}") == lock
