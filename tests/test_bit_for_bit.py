"""Two people run the project, and DVC's record of all that they made is the same, byte by byte."""

import datetime
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import write_params
from .small_repository import ENVIRONMENT, SMALL, Repository

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return reproduced(tmp_path_factory.mktemp("first") / "project")


def reproduced(root: Path, workers: int = 1, **environment: str) -> bytes:
    """dvc.lock after `dvc repro` in a copy of the project, with `workers` that clean."""
    repository = Repository(root)
    write_params(root / "params.yaml", SMALL | {"train.ema": 0.9, "compute.workers": workers})
    repository.run("dvc", "repro", **environment)
    repository.commit()
    repository.run("dvc", "repro", "--force", "--single-item", "evaluate", **environment)
    assert repository.run("git", "status", "--short") == ""
    for file in (file for folder in ("models", "reports") for file in (root / folder).rglob("*") if file.is_file()):
        assert not (found := told(file, root)), f"{file}: {found}"
    return (root / "dvc.lock").read_bytes()


def told(file: Path, root: Path) -> list[str]:
    """What a file says of when and where it was made."""
    facts = (str(root), datetime.date.today().isoformat())
    return [fact for fact in facts if fact.encode() in file.read_bytes()]


def test_in_another_folder_at_another_time_with_other_workers_all_is_the_same(lock, tmp_path):
    elsewhere = tmp_path / "another place" / "with a longer name"
    assert reproduced(elsewhere, workers=2, TZ="Asia/Tokyo", LC_ALL="C", USER="somebody", PYTHONHASHSEED="7") == lock


def test_on_another_python_all_is_the_same(lock, tmp_path):
    python = shutil.which("python3.13", path=ENVIRONMENT["PATH"])
    has_all = python and subprocess.run([python, "-c", "import dvc, mlflow, tensorflow"], check=False).returncode == 0
    if not has_all:
        pytest.skip("there is no Python 3.13 with the packages of requirements.lock")
    environment = ENVIRONMENT["PATH"].partition(":")
    assert reproduced(tmp_path / "project", PATH=f"{Path(python).parent}:{environment[2]}") == lock
