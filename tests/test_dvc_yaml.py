"""dvc.yaml against the code: what a stage imports is what re-runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pneumonia.params.blocks import Backbone
from pneumonia.params.load import MODELS

REPOSITORY = Path(__file__).parents[1]
STAGES = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]

# What reads parameters, reports mistakes and renames files cannot change what a stage writes; parameters are tracked
# by their values.
PLUMBING = {f"src/pneumonia/{name}.py" for name in ("__init__", "params", "parameter_blocks", "errors", "files")}

CHOICES = {
    "dataset": ["folder", "kermany", "medmnist", "phantom", "rsna"],
    "model": list(MODELS),
    "models.centernet.backbone": list(Backbone.__args__),
}
"""What dvc.yaml may put in the place of `${…}`."""

IMPORTED = """
import json, runpy, sys
for module in {modules!r}: __import__(module)
runpy.run_path({script!r}, run_name="imported")
print(json.dumps([[name, getattr(module, "__file__", None)] for name, module in list(sys.modules.items())]))
"""


def imported(stage: str) -> dict[str, str | None]:
    """The modules that a stage's script imports, and their files, with all those that params.yaml may choose."""
    packages = {"download": ("sources", "dataset"), "train": ("models", "model")}
    package, choice = packages.get(stage, ("", ""))
    chosen = [f"pneumonia.{package}.{name}" for name in CHOICES.get(choice, [])]
    code = IMPORTED.format(modules=chosen, script=f"stages/{stage}.py")
    environment = {"PYTHONPATH": "src", "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": "/usr/bin:/bin"}
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
    )
    return dict(json.loads(answer.stdout.splitlines()[-1]))


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_depends_on_the_modules_that_it_uses(stage):
    package = REPOSITORY / "src" / "pneumonia"
    modules = imported(stage)
    files = [Path(file) for file in modules.values() if file and Path(file).is_relative_to(package)]
    used = {str(file.relative_to(REPOSITORY)) for file in files} - PLUMBING
    named = set()
    for dependency in STAGES[stage]["deps"]:
        choice = next((choice for choice in CHOICES if f"${{{choice}}}" in dependency), None)
        named |= {dependency.replace(f"${{{choice}}}", name) for name in CHOICES.get(choice, [""])}
    named = {name for name in named if name.startswith("src/")}
    folders = {name for name in named if not name.endswith(".py")}
    uncovered = {file for file in used if file not in named and str(Path(file).parent) not in folders}
    unused = {name for name in named - folders if name not in used}
    assert (uncovered, unused) == (set(), set())
    assert f"stages/{stage}.py" in STAGES[stage]["deps"]
    if stage not in ("train", "evaluate"):
        assert not {"tensorflow", "keras", "torch", "jax"} & set(modules)
