"""DVC's experiments, asked for by its own command: in copies of the repository, in a queue, found by their names."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pneumonia.errors import UserError

SECONDS_BETWEEN_LOOKS = 3
PENDING = ("Queued", "Running")


def dvc(*arguments: str) -> str:
    """What `dvc` with these arguments prints.

    Raises:
        UserError: it failed; with its last line.
    """
    return _run(sys.executable, "-m", "dvc", *arguments)


def git(*arguments: str) -> str:
    """What `git` with these arguments prints.

    Raises:
        UserError: it failed; with its last line.
    """
    return _run("git", *arguments)


def experiment_file(name: str, file: str) -> str | None:
    """The content of `file` in the DVC experiment `name` of this commit; None where there is no such experiment."""
    commit = git("rev-parse", "HEAD")
    reference = f"refs/exps/{commit[:2]}/{commit[2:]}/{name}"
    return git("show", f"{reference}:{file}") + "\n" if git("for-each-ref", reference) else None


@contextmanager
def in_place(files: Mapping[str, str]) -> Iterator[None]:
    """For the block, let `files` have these contents, and be known to git: what is queued in it begins with them."""
    before = {name: Path(name).read_bytes() if Path(name).exists() else None for name in files}
    unknown = [name for name in files if not git("ls-files", name)]
    try:
        for name, content in files.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(content, encoding="utf-8")
        if unknown:
            git("add", "--force", *unknown)
        yield
    finally:
        if unknown:
            git("rm", "--cached", "--quiet", "--force", *unknown)
        for name, was in before.items():
            if was is None:
                Path(name).unlink(missing_ok=True)
            else:
                Path(name).write_bytes(was)


def queue(name: str, settings: Sequence[str]) -> None:
    """Queue the experiment `name` with `settings`, each KEY=VALUE."""
    dvc("exp", "run", "--queue", "--name", name, *set_params(settings))


def set_params(settings: Sequence[str]) -> list[str]:
    """The arguments `-S KEY=VALUE`."""
    return [argument for each in settings for argument in ("-S", each)]


def statuses(names: Sequence[str]) -> dict[str, str]:
    """`Queued`, `Running`, `Success` or `Failed` for those of the experiments `names` that DVC's queue knows."""
    found = {}
    for line in dvc("queue", "status").splitlines():
        words = line.split()
        if len(words) > 2 and words[1] in names:
            found[words[1]] = words[-1]
    return found


def work_off(names: Sequence[str], jobs: int) -> Iterator[tuple[str, str]]:
    """Run the queue, `jobs` experiments at a time, and yield each of `names` with its status when it has ended."""
    left = list(names)
    while left:
        now = statuses(left)
        for name in [name for name in left if now.get(name) not in PENDING]:
            left.remove(name)
            yield name, now.get(name, "gone from the queue")
        if left:
            if "Running" not in now.values():
                dvc("queue", "start", "--jobs", str(jobs))
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _run(*command: str) -> str:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no word"]
        raise UserError(f"`{' '.join(command[-6:])}` failed: {said[-1]}")
    return done.stdout.strip()
