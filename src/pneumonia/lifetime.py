"""Processes that end with the one that started them, however it ends: else they work on unseen, and hold its stdout.

The system tells a child nothing of its parent's death, but gives it another parent.
"""

import os
import signal
import threading
import time

import psutil

SECONDS_BETWEEN_LOOKS = 0.5


def end_with_dvc() -> None:
    """Have this process, a stage, end with the `dvc` that started it; one that was started by hand goes on."""
    if "DVC_STAGE" not in os.environ:
        return
    end_with(os.getppid())
    # Bash becomes the command that it is given; Debian's sh stays, and it is the one to which dvc's death gives
    # another parent.
    shell = psutil.Process(os.getppid())
    if "-c" in shell.cmdline():
        _watch(shell, shell.ppid())


def end_with(parent: int) -> None:
    """Have this process be killed once `parent`, which started it, is gone."""
    _watch(psutil.Process(), parent)


def _watch(child: psutil.Process, parent: int) -> None:
    threading.Thread(target=_kill_without, args=(child, parent), daemon=True).start()


def _kill_without(child: psutil.Process, parent: int) -> None:
    while child.is_running() and child.ppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os.kill(os.getpid(), signal.SIGKILL)
