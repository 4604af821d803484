"""Processes that end with the one that started them, however it ends: else they work on unseen, and hold its stdout.

The system tells a child nothing of its parent's death, but gives it another parent.
"""

import os
import signal
import threading
import time

SECONDS_BETWEEN_LOOKS = 0.5


def end_with_dvc() -> None:
    """Have this process, a stage, end with the `dvc` that started it; one that was started by hand goes on."""
    if "DVC_STAGE" in os.environ:
        end_with(os.getppid())


def end_with(parent: int) -> None:
    """Have this process be killed once `parent`, which started it, is gone."""
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os.kill(os.getpid(), signal.SIGKILL)
