"""dvc.yaml against the code: what a stage imports is what re-runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pneumonia.params.choices import networks, sources
from pneumonia.training.checkpoint import CODE

from .small_repository import Repository

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "src" / "pneumonia"
STAGES = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]

# What reads parameters, spreads work, keeps compiled programs, reports mistakes, renames files and ends with its
# parent cannot change what a
# stage writes; parameters are tracked by their values, and the classes that follow from them are looked up by all.
# Training only tells the registry of its epochs. Names of files become part of what download writes; other stages only
# tell mistakes with them.
PLUMBING = {"params", "workers.py", "errors.py", "outputs.py", "compilation.py", "lifetime.py"}
PLUMBING_OF = {"download": {"annotations"}} | {
    stage: {"names.py"} for stage in ("inputs", "clean", "split", "evaluate")
}
PLUMBING_OF |= {"rebalance": {"annotations", "names.py"}, "train": {"registry", "names.py"}}

CHOICES = {"dataset": sources(), "model": networks()}
"""What dvc.yaml may put in the place of `${…}`."""
CHOSEN = {
    "download": [f"pneumonia.sources.{name}.source" for name in sources()],
    "train": [f"pneumonia.models.{name}.network" for name in networks()],
    "evaluate": [f"pneumonia.models.{name}.network" for name in networks()],
}
"""The modules that a stage imports as params.yaml chooses."""

IMPORTED = """
import json, runpy, sys
for module in {modules!r}: __import__(module)
runpy.run_path({script!r}, run_name="imported")
print(json.dumps([[name, getattr(module, "__file__", None)] for name, module in list(sys.modules.items())]))
"""


def imported(stage: str) -> dict[str, str | None]:
    """The modules that a stage's script imports, and their files, with all those that params.yaml may choose."""
    code = IMPORTED.format(modules=CHOSEN.get(stage, []), script=f"stages/{stage}.py")
    environment = {"PYTHONPATH": "src", "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def named(stage: str) -> set[Path]:
    """The files and folders of the package that dvc.yaml names for a stage, for every choice."""
    places = set()
    for dependency in STAGES[stage]["deps"]:
        choice = next((choice for choice in CHOICES if f"${{{choice}}}" in dependency), None)
        places |= {dependency.replace(f"${{{choice}}}", name) for name in CHOICES.get(choice, [""])}
    return {REPOSITORY / place for place in places if place.startswith("src/")}


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_depends_on_what_it_uses_and_on_nothing_else(stage):
    modules = imported(stage)
    files = {Path(file) for file in modules.values() if file and Path(file).is_relative_to(PACKAGE)}
    plumbing = {PACKAGE / place for place in PLUMBING | PLUMBING_OF.get(stage, set())}
    used = {file for file in files if file.name != "__init__.py" and not any(map(file.is_relative_to, plumbing))}
    uncovered = {file for file in used if not any(map(file.is_relative_to, named(stage)))}
    unused = {place for place in named(stage) if not any(file.is_relative_to(place) for file in used)}
    assert (uncovered, unused) == (set(), set())
    assert f"stages/{stage}.py" in STAGES[stage]["deps"]
    if stage not in ("train", "evaluate"):
        assert not {"tensorflow", "keras", "torch", "jax"} & set(modules)


@pytest.fixture(scope="module")
def as_if_run(tmp_path_factory) -> Repository:
    """The project with something in the place of each output, as if all stages had written it."""
    project = Repository(tmp_path_factory.mktemp("project"))
    read = {dependency for stage in STAGES.values() for dependency in stage["deps"]}
    for out in (next(iter(out)) for stage in STAGES.values() for out in stage["outs"]):
        inside = {place for place in read if place.startswith(f"{out}/")}
        folder = not Path(out).suffix
        for file in inside or ({f"{out}/samples.png"} if folder else {out}):
            (project.root / file).parent.mkdir(parents=True, exist_ok=True)
            (project.root / file).write_text(f"{file} as it was")
    project.run("dvc", "commit", "--force", "--quiet")
    assert project.changed_stages() == []
    return project


@pytest.mark.parametrize(
    ("file", "readers"),
    [
        ("data/clean/near_duplicates.csv", {"split"}),
        ("data/clean/boxes.csv", {"split", "train", "evaluate"}),
        ("reports/clean/samples.png", {"evaluate"}),
        ("reports/clean.json", {"evaluate"}),
        ("reports/batch.png", {"evaluate"}),
        ("reports/rebalance.png", {"evaluate"}),
    ],
)
def test_what_a_stage_reads_re_runs_it(as_if_run, file, readers):
    path = as_if_run.root / file
    before = path.read_text()
    try:
        path.write_text("edited")
        [writer] = [
            name for name, stage in STAGES.items() if any(file.startswith(next(iter(o))) for o in stage["outs"])
        ]
        assert set(as_if_run.changed_stages()) == {writer, *readers}
    finally:
        path.write_text(before)


def test_a_killed_training_is_resumed_by_the_code_that_would_not_re_run_it():
    code = [place.removeprefix("src/pneumonia/") for place in STAGES["train"]["deps"] if place.startswith("src/")]
    assert sorted(place.format(model="${model}") for place in CODE) == sorted(code)
