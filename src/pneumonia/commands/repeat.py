"""`pneumonia repeat`: several trainings of one recipe, over folds and seeds, as DVC experiments of one name."""

import hashlib
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import yaml

from pneumonia.commands.dvc_queue import (
    PENDING,
    dvc,
    experiment_file,
    git,
    in_place,
    queue,
    set_params,
    statuses,
    work_off,
)
from pneumonia.errors import UserError
from pneumonia.params.load import Params, load_params
from pneumonia.params.paths import user_path
from pneumonia.preparation.inputs import write_inputs
from pneumonia.registry.repeat_runs import complete_repeat, finished_trainings, open_repeat
from pneumonia.registry.store import open_store

OURS = ("split.folds", "split.fold", "split.seed")
"""What a repeat sets itself."""
CLEANED = ("dvc.lock", "reports/clean.json")
"""The files in git that say that films are fetched and cleaned, with which a training does neither again."""
WRITTEN = ("dvc.lock", "reports/*.json", "data/inputs")
"""The files in git that stages write."""


@dataclass(frozen=True)
class Planned:
    """A training of a repeat: the name of its experiment, its fold and its seed."""

    name: str
    fold: int
    seed: int


def repeat(folds: int, seeds: int, changes: Sequence[str], name: str | None, jobs: int) -> tuple[str, pd.DataFrame]:
    """Train `seeds` times on each of `folds` (0: on the split as it is), and log all of it under one parent run.

    `changes` are KEY=VALUE, as `dvc exp run -S` takes them. Films are fetched and cleaned once. What was trained by an
    earlier, killed call of the same commit, parameters and changes is not trained again.

    Returns:
        The repeat's name, and the table of `repeats.summarize`.

    Raises:
        UserError: a wrong change, less than two trainings, or trainings that failed.
    """
    if max(folds, 1) * seeds < 2 or folds == 1:
        raise UserError(f"--folds {folds} and --seeds {seeds} are one training; folds may be 0 or from 2 on, seeds 2")
    for change in changes:
        if (key := change.partition("=")[0]) in OURS:
            raise UserError(f"-S {change}: a repeat sets {key} itself; it may be --folds and --seeds")
    state = state_of(folds, seeds, changes)
    name = name or f"{_model(changes)}-{folds}x{seeds}-{state}"
    films, params = _common(name, changes)
    planned = _plan(name, folds, seeds, params.seed)
    client = open_store(params.tracking.experiment)
    facts = {"folds": folds, "seeds": seeds, "changes": " ".join(changes), "state": state}
    facts |= {"model": params.model, "dataset": params.dataset, "task": params.task}
    run_id = open_repeat(client, params.tracking.experiment, name, facts)
    names = [each.name for each in planned]
    done = finished_trainings(client, params.tracking.experiment, names)
    _tell(f"{name}: {len(planned)} trainings, {len(done)} of them done before")
    missing = [each for each in planned if each.name not in done]
    _queue(missing, films, changes, folds, params.seed if params.split.seed is None else params.split.seed)
    for number, (ended, status) in enumerate(work_off([each.name for each in missing], jobs), len(done) + 1):
        _tell(f"{number} of {len(planned)}: {ended} {status}")
    done = finished_trainings(client, params.tracking.experiment, names)
    if len(done) < len(planned):
        first = next((each for each in names if each not in done), "")
        client.set_terminated(run_id, "FAILED")
        raise UserError(
            f"{len(planned) - len(done)} of {len(planned)} trainings failed; `dvc queue logs {first}` says why, "
            "and the same command trains what is missing"
        )
    return name, complete_repeat(client, run_id, [done[each] for each in names], params)


def state_of(folds: int, seeds: int, changes: Sequence[str]) -> str:
    """The same where commit, edits, settings, and the user's own films, weights and tables are the same.

    What a `dvc repro` writes in between is no edit: neither `WRITTEN`, nor what lies in `data/inputs`, read here anew.
    """
    edits = git("diff", "HEAD", "--", ".", *(f":!{written}" for written in WRITTEN))
    params: dict[str, Any] = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    for change in changes:
        _set(params, change)
    with TemporaryDirectory() as directory:
        write_inputs(params, Path(directory), user_path(".dvc/tmp/inputs.json"))
        inputs = {file.name: file.read_text() for file in sorted(Path(directory).glob("*.json"))}
    state = [git("rev-parse", "HEAD"), edits, json.dumps(inputs), f"{folds} {seeds}", *changes]
    return hashlib.sha256("\0".join(state).encode()).hexdigest()[:6]


def _set(params: dict[str, Any], change: str) -> None:
    """Put KEY=VALUE, as `dvc exp run -S` takes it, into `params`; DVC tells what is wrong with it."""
    key, _, value = change.partition("=")
    *blocks, name = key.lstrip("+").split(".")
    for block in blocks:
        if not isinstance(params.get(block), dict):
            params[block] = {}
        params = params[block]
    with suppress(yaml.YAMLError):
        params[name] = yaml.safe_load(value)


def _model(changes: Sequence[str]) -> str:
    return next((change.partition("=")[2] for change in changes if change.startswith("model=")), load_params().model)


def _common(name: str, changes: Sequence[str]) -> tuple[dict[str, str], Params]:
    """Fetch and clean the films once, in an experiment of its own; its files of `CLEANED`, and its parameters."""
    common = f"{name}-films"
    if experiment_file(common, "params.yaml") is None:
        _tell(f"{name}: fetching and cleaning the films")
        dvc("exp", "run", "--temp", "--name", common, *set_params(changes), "clean")
    found = {file: experiment_file(common, file) for file in (*CLEANED, "params.yaml")}
    files = {file: content for file, content in found.items() if content is not None}
    with TemporaryDirectory() as directory:
        path = Path(directory, "params.yaml")
        path.write_text(files.pop("params.yaml"), encoding="utf-8")
        return files, load_params(path)


def _plan(name: str, folds: int, seeds: int, first_seed: int) -> list[Planned]:
    return [
        Planned(f"{name}-f{fold}-s{seed}" if folds else f"{name}-s{seed}", fold, seed)
        for seed in range(first_seed, first_seed + seeds)
        for fold in range(max(folds, 1))
    ]


def _queue(
    missing: Sequence[Planned], films: dict[str, str], changes: Sequence[str], folds: int, split_seed: int
) -> None:
    """Queue those that do not wait there already."""
    known = statuses([each.name for each in missing])
    with in_place(films):
        for each in missing:
            if known.get(each.name) in PENDING:
                continue
            if each.name in known:
                dvc("queue", "remove", each.name)
            if experiment_file(each.name, "params.yaml") is not None:  # its run is not in this store
                dvc("exp", "remove", each.name)
            own = [f"seed={each.seed}", f"split.seed={split_seed}", f"split.folds={folds}", f"split.fold={each.fold}"]
            queue(each.name, [*changes, *own])


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
