import subprocess

import pytest
from typer.testing import CliRunner

from pneumonia.commands.cli import app
from pneumonia.commands.recipe import changes_of
from pneumonia.params.load import load_params

from ..conftest import REPOSITORY

NAMES = sorted(path.stem for path in (REPOSITORY / "recipes").iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_dvc_makes_of_each_recipe_parameters_that_hold(tmp_path, monkeypatch, name):
    """DVC's own overrides, on a copy of params.yaml."""
    from dvc.utils.hydra import apply_overrides

    monkeypatch.chdir(REPOSITORY)
    changes = changes_of(name)
    path = tmp_path / "params.yaml"
    path.write_text((REPOSITORY / "params.yaml").read_text())
    before = load_params(path)
    apply_overrides(path, changes)
    after = load_params(path)
    assert after != before
    assert after.model in (REPOSITORY / "recipes" / f"{name}.yaml").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_the_head_of_a_recipe_has_claim_data_time_and_command(name):
    head, data, *others = [
        line
        for line in (REPOSITORY / "recipes" / f"{name}.yaml").read_text().splitlines()
        if line.startswith("# ") and not line.startswith("#  ")
    ]
    assert head.endswith(".")
    assert data.startswith("# Data: ")
    assert others[0].startswith("# Time: ")
    assert others[1].startswith(f"# Run: pneumonia recipe {name}")


def test_without_a_name_the_recipes_are_listed_with_their_claims(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    said = CliRunner().invoke(app, ["recipe"])
    assert said.exit_code == 0
    assert [line.split()[0] for line in said.stdout.splitlines()] == NAMES
    assert "Pneumonia against normal: test AUC 0.978" in said.stdout


def test_an_unknown_name_is_answered_by_those_that_there_are(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    said = CliRunner().invoke(app, ["recipe", "kermani", "--temp"])
    assert said.exit_code == 1
    assert said.stderr.startswith("error: there is no recipe 'kermani'; it may be one of kermany, kermany_five_minutes")
    assert len(said.stderr.splitlines()) == 1


def test_elsewhere_one_line_says_where_recipes_are_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(app, ["recipe"])
    assert said.stderr.startswith(f"error: there are no recipes in {tmp_path / 'recipes'}")


def test_what_dvc_says_of_a_mistake_and_its_exit_status_come_through(tmp_path):
    """In a folder that is no repository, so that DVC itself refuses."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "one.yaml").write_text("# A claim.\ntrain: {epochs: 3, ema: 0.5}\nmodel: cnn\n")
    done = subprocess.run(
        ["pneumonia", "recipe", "one", "--temp", "-S", "seed=1"], cwd=tmp_path, capture_output=True, text=True
    )
    command = "dvc exp run -S train.epochs=3 -S train.ema=0.5 -S model=cnn --temp -S seed=1"
    assert done.stdout.splitlines()[0] == command
    assert "not inside of a DVC repository" in done.stderr
    assert done.returncode == 253
