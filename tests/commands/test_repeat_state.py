"""What a repeat takes to be the same work, with which a later call goes on: in a real git repository."""

import subprocess
from pathlib import Path

import pytest

from pneumonia.commands.repeat import state_of


@pytest.fixture
def in_git(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, content in {
        "params.yaml": "split: {file: null, corrections: mine/corrections.csv}\ndataset: folder\n",
        "dvc.lock": "old",
        "reports/clean.json": "{}",
        "reports/metrics.json": "{}",
        "data/inputs/split.json": "{}",
        "code.py": "",
    }.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content)
    who = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
    for arguments in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "all"]):
        subprocess.run(["git", *arguments], check=True)
    return tmp_path


def test_tables_and_films_that_git_does_not_know_are_part_of_the_state(in_git: Path):
    for name in ("mine/corrections.csv", "mine/split.csv", "mine/films/a.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("first")
    changes = ["split.file=mine/split.csv", "datasets.folder.path=mine/films"]
    seen = [state_of(0, 3, changes)]
    assert state_of(0, 3, changes) == seen[0]
    for name in ("mine/corrections.csv", "mine/split.csv", "mine/films/a.png", "code.py"):
        Path(name).write_text("another one")
        seen.append(state_of(0, 3, changes))
    assert len(set(seen)) == len(seen)


def test_what_stages_write_between_a_kill_and_the_next_call_changes_no_state(in_git: Path):
    before = state_of(5, 1, [])
    for name in ("dvc.lock", "reports/clean.json", "reports/metrics.json", "data/inputs/split.json"):
        Path(name).write_text("new")
    assert state_of(5, 1, []) == before
