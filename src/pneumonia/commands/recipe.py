"""`pneumonia recipe`: the changes to params.yaml that a claim was made with, run by DVC."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from pneumonia.commands.dvc_queue import set_params
from pneumonia.errors import UserError

RECIPES = Path("recipes")


def list_recipes() -> str:
    """A line for each recipe: its name, and the claim at its head."""
    names = _names()
    width = max(map(len, names))
    return "\n".join(f"{name:{width}}  {_claim(RECIPES / f'{name}.yaml')}" for name in names)


def changes_of(name: str) -> list[str]:
    """What the recipe `name` changes in params.yaml, each KEY=VALUE as `dvc exp run -S` takes it.

    Raises:
        UserError: no such recipe.
    """
    if name not in (names := _names()):
        raise UserError(f"there is no recipe {name!r}; it may be one of {', '.join(names)}")
    changes: dict[str, Any] = yaml.safe_load((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))
    return [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in _flat(changes)]


def run_recipe(name: str, further: Sequence[str]) -> int:
    """Have `dvc exp run` make the changes of the recipe `name`, with `further` arguments after them; its exit status.

    Raises:
        UserError: no such recipe.
    """
    arguments = ["exp", "run", *set_params(changes_of(name)), *further]
    print(f"dvc {shlex.join(arguments)}", flush=True)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run([sys.executable, "-m", "dvc", *arguments], check=False, env=environment).returncode


def _names() -> list[str]:
    names = sorted(path.stem for path in RECIPES.glob("*.yaml"))
    if not names:
        raise UserError(f"there are no recipes in {RECIPES.absolute()}; `pneumonia` may be run in the project's folder")
    return names


def _claim(recipe: Path) -> str:
    """The first line of a recipe, a comment."""
    return recipe.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _flat(changes: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in changes.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
