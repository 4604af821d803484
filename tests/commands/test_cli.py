import subprocess
import sys
from pathlib import Path

import pytest

from pneumonia.params.choices import networks

from ..conftest import REPOSITORY, write_params


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    program = Path(sys.executable).parent / "pneumonia"
    return subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_models_are_listed_with_what_they_cost_and_see():
    answer = run(REPOSITORY, "models")
    assert answer.returncode == 0, answer.stderr
    header, *lines = answer.stdout.splitlines()
    assert header.split()[:3] == ["model", "input", "parameters"]
    assert sorted(line.split()[0] for line in lines) == networks()
    vgg = next(line for line in lines if line.startswith("vgg19"))
    assert vgg.split() == ["vgg19", "224", "20.02", "M", "19.508", "G", "268", "32", "ImageNet"]


def test_a_mistake_in_params_is_one_line(tmp_path):
    write_params(tmp_path / "params.yaml", {"model": "vgg"})
    answer = run(tmp_path, "models")
    assert answer.returncode == 1
    assert answer.stderr.startswith("error: params.yaml: model is 'vgg'; it should be 'cnn', 'resnet'")
    assert len(answer.stderr.splitlines()) == 1
