"""The pages of docs/reference against the code: what is there is told, and what is told is there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import typer
import yaml

from pneumonia.annotations.labels import class_names
from pneumonia.commands.cli import app
from pneumonia.evaluation.boxes.metrics import Detections, localization_metrics
from pneumonia.evaluation.metrics import binary_metrics, compute_metrics
from pneumonia.evaluation.sites import BY_SITE, named_metrics
from pneumonia.params.choices import network, networks, source, sources
from pneumonia.radiographs.dicom import TAGS

from .conftest import REPOSITORY
from .small_repository import Repository

PAGES = REPOSITORY / "docs" / "reference"
PARAMS = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
PIPELINE = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())
EVALUATION = "reports/evaluation/"
WRITERS = ("evaluation", "preparation/cleaning")
"""The rooms that write what lies in reports/."""


def rows(page: str, section: str = "") -> Iterator[list[str]]:
    """The rows of a page's tables but their heads, as cells; with `section`, of the one with that heading alone."""
    heading, before = "", ""
    for line in (PAGES / f"{page}.md").read_text().splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        is_row = line.startswith("| ") and before.startswith("|")
        before = line
        if is_row and section in heading:
            yield [cell.strip() for cell in line.strip("|").split(" |")]


def codes(text: str) -> list[str]:
    """What is between backticks."""
    return re.findall(r"`([^`]+)`", text)


def named(page: str, section: str = "") -> list[str]:
    """What the first cells of a page's tables name."""
    return [name for row in rows(page, section) for name in codes(row[0])]


def flat(block: dict, above: str = "") -> dict:
    """The parameters in a block by dotted key; networks and what is recommended share their names."""
    found = {}
    for key, value in block.items():
        name = f"{above}{key}"
        name = re.sub(
            r"^models\.[^.]+\.|^datasets\.[^.]+\.(?=recommended\.)", lambda m: f"{m[0].split('.')[0]}.NAME.", name
        )
        found |= flat(value, f"{name}.") if isinstance(value, dict) and value else {name: value}
    return found


def first_stage(key: str) -> str:
    """The first stage of dvc.yaml after `inputs`, which always runs, that tracks a parameter; empty where none does."""
    for stage, entry in PIPELINE["stages"].items():
        for tracked in entry.get("params", []):
            prefix = tracked.replace("${dataset}", "NAME").replace("${model}", "NAME")
            known = key if ".NAME." in key else re.sub(r"^datasets\.[^.]+", "datasets.NAME", key)
            if stage != "inputs" and f"{known}.".startswith(f"{prefix}."):
                return stage
    return ""


def test_each_parameter_is_told_with_its_default_under_the_stage_that_it_re_runs():
    values = flat(PARAMS)
    assert sorted(named("parameters")) == sorted(values)
    for key, value in values.items():
        section = f"`{stage}`" if (stage := first_stage(key)) else "No stage"
        told = {name: row[1] for row in rows("parameters", section) for name in codes(row[0])}
        assert key in told, f"{key} re-runs {section}"
        if ".NAME." not in key:
            assert yaml.safe_load(told[key].strip("`")) == value, key


def test_each_network_is_told_with_its_size_and_weights():
    assert sorted(named("networks")) == networks()
    for row in [*rows("networks", "Classifiers"), *rows("networks", "Localisers")]:
        module = network(codes(row[0])[0])
        assert row[2] == str(module.INPUT_SIZE)
        assert row[7] == ("ImageNet" if module.Settings.published else "random")
    assert set(named("networks", "Localisers")) == {name for name in networks() if hasattr(network(name), "HEAD")}


@pytest.mark.slow
def test_each_network_costs_and_sees_what_is_told(monkeypatch):
    from typer.testing import CliRunner

    monkeypatch.chdir(REPOSITORY)
    said = CliRunner().invoke(app, ["models"]).stdout.splitlines()[1:]
    costs = {line.split()[0]: line.split()[1:8] for line in said}
    for row in [*rows("networks", "Classifiers"), *rows("networks", "Localisers")]:
        assert " ".join(row[2:7]).split() == costs[codes(row[0])[0]]


def test_each_source_is_told_with_its_boxes():
    table = [row for row in rows("data-sets") if len(row) == 7]
    assert sorted(codes(row[0])[0] for row in table) == sources()
    for row in table:
        told, there = row[3] == "yes", getattr(source(codes(row[0])[0]), "HAS_BOXES", False)
        assert told == there or codes(row[0]) == ["several"]
    how = [codes(row[0])[0] for row in rows("data-sets", "How each is had")]
    assert sorted(how) == sources()


def metrics_of(names: list[str]) -> set[str]:
    """The metrics that `evaluate` computes for classes."""
    truth = np.arange(12) % len(names)
    probabilities = np.eye(len(names))[truth] * 0.8 + 0.2 / len(names)
    return set(compute_metrics(truth, probabilities, names, 0.5))


def test_each_metric_is_defined():
    committed = json.loads((REPOSITORY / "reports" / "metrics.json").read_text())["test"]
    for_all = named("metrics-and-reports", "For every task")
    assert sorted(for_all) == sorted(committed)

    classes = class_names("multiclass")
    further = metrics_of(classes) - metrics_of(class_names("binary"))
    each_class = {
        f"{name}/{key}" for name in classes for key in binary_metrics(np.arange(2), np.arange(2) / 2, np.arange(2))
    }
    assert each_class <= further
    told = set(named("metrics-and-reports", "With three classes"))
    assert told == further - each_class | {"CLASS/METRIC"}

    box = np.array([[0.0, 0.0, 4.0, 4.0]])
    found = Detections([np.append(box, [[0.9]], axis=1), np.empty((0, 5))], 0.5)
    boxes = localization_metrics([box, np.empty((0, 4))], found, 8, np.array(["a", "b"]), 10).index
    told = [row for row in rows("metrics-and-reports", "With boxes")]
    assert {codes(row[0])[0] for row in told} == {re.sub(r"froc/.*", "froc/RATE", f"boxes/{name}") for name in boxes}
    rates = re.findall(r"[\d.]+", next(row[1] for row in told if "froc" in row[0]).rpartition(":")[2])
    assert rates == [name.removeprefix("froc/") for name in boxes if name.startswith("froc/")]

    sites = pd.DataFrame({"site": ["SITE", "other"]} | dict.fromkeys(BY_SITE, 0.5))
    of_sites = {re.sub(r"[^/]+$", "METRIC", name) for name in named_metrics(sites) if "other" not in name}
    assert set(named("metrics-and-reports", "With sites")) == of_sites


def pattern(name: str) -> str:
    """A file's name with `*` for what differs: `roc_{suffix}.csv`, `roc_PART.csv` and `roc_val_viral.csv` are one."""
    parts, classes = "PART|val|test", f"CLASS|{'|'.join(class_names('multiclass'))}"
    differs = rf"\{{[^}}]+\}}|(?<=_)({parts}|{classes})(?=[_.])"
    return re.sub(r"\*(_\*)+", "*", re.sub(differs, "*", name))


def written_files() -> set[str]:
    """The names of tables and pictures that the code of reports writes, as patterns, without folders."""
    found = set()
    for room in WRITERS:
        for file in (REPOSITORY / "src" / "pneumonia" / room).rglob("*.py"):
            code = file.read_text()
            found |= set(re.findall(r'f?"(?:evaluation/)?([\w{}]+\.(?:csv|png))"', code))
            found |= {f"{name}.png" for name in re.findall(r'"(\w+)": plot_\w+\(', code)}
    return {pattern(name) for name in found} - {"*.csv", "*.png"}


def test_each_report_file_is_told():
    told = [name for name in named("metrics-and-reports", "Files")]
    assert len(set(told)) == len(told)
    names = {pattern(Path(name).name) for name in told}
    in_data = {"near_duplicates.csv", "index.csv", "rejected.csv", "split.csv"}
    assert written_files() - in_data <= names
    outputs = {
        next(iter(out)) if isinstance(out, dict) else out
        for stage in PIPELINE["stages"].values()
        for out in stage["outs"]
    }
    for out in outputs:
        if out.startswith(("reports/", "models/")):
            assert any(name == out or name.startswith(f"{out}/") for name in told), out
    for name in told:
        assert any(name == out or name.startswith(f"{out}/") for out in outputs), f"no stage writes {name}"
    code = "".join(file.read_text() for file in (REPOSITORY / "src").rglob("*.py"))
    for name in told:
        stem = re.split(r"_?(?:PART|CLASS)", Path(name).stem)[0]
        assert re.search(rf'"[\w/]*{stem}|PART', code), f"nothing in the code is called {stem}"


@pytest.mark.slow
def test_a_real_run_leaves_the_files_and_metrics_that_are_told(tmp_path):
    repository = Repository(tmp_path)
    repository.run("dvc", "repro")
    told = named("metrics-and-reports", "Files")
    files = {
        str(file.relative_to(tmp_path))
        for room in ("reports", "models")
        for file in (tmp_path / room).rglob("*")
        if file.is_file() and file.name != ".gitignore"
    }
    known = {pattern(name) for name in told}
    assert {pattern(name) for name in files} <= known
    [run] = repository.mlflow_runs()
    metrics = {re.sub(r"^(val|test)/|_(low|high)$", "", name) for name in run.data.metrics}
    others = {name for name in metrics if name.startswith("epoch/")}
    defined = set(named("metrics-and-reports", "For every task")) | set(named("metrics-and-reports", "In MLflow"))
    assert metrics - others <= defined
    assert {file.path for file in repository.mlflow().list_artifacts(run.info.run_id)} == {"params.yaml", "reports"}


def test_each_command_is_told_with_its_options():
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    table = {codes(row[0])[0]: row[2] for row in rows("commands-and-environment", "`pneumonia`")}
    assert sorted(table) == sorted(commands)
    for name, command in commands.items():
        options = [each.opts[-1] for each in command.params if each.param_type_name == "option"]
        assert codes(table[name]) == options, name


def test_each_target_of_make_is_told():
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.M)[1].split()
    assert named("commands-and-environment", "`make`") == targets


def test_each_environment_variable_is_told():
    files = [*REPOSITORY.glob("src/**/*.py"), *REPOSITORY.glob("stages/*.py")]
    files += [REPOSITORY / "Makefile", REPOSITORY / "dvc.yaml"]
    code = "\n".join(file.read_text() for file in files)
    read = set(re.findall(r'environ[^"\'\n]{0,20}["\']([A-Z][A-Z_]+)["\']', code))
    read |= set(re.findall(r'["\']([A-Z][A-Z_]+)["\'] (?:not )?in os\.environ', code))
    read |= set(re.findall(r'"((?:PNEUMONIA|KERAS|JAX|TF|DVC|MLFLOW)_[A-Z_]+)"', code))
    read |= set(re.findall(r"^export (\w+) :=", code, re.M))
    told = set(named("commands-and-environment", "that this project reads"))
    assert read <= told
    keras_code = "\n".join(file.read_text() for file in Path(keras.__file__).parent.rglob("*.py"))
    for name in [*told, *named("commands-and-environment", "libraries")]:
        words = rf"\b({name}|{name.lower()})\b"
        assert re.search(words, code) or re.search(words, keras_code), f"nothing reads {name}"


def test_each_element_of_a_header_is_told():
    told = named("dicom-and-privacy", "What is read of a header")
    assert sorted(told) == sorted([*TAGS, "PatientID"])
