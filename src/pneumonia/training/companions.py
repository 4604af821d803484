"""Processes that train together end together: in a collective each waits for all, for minutes after one is gone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from pneumonia.errors import UserError
from pneumonia.training.companion_watch import DONE, FAILED, KEY
from pneumonia.training.devices import process

SECONDS_FOR_THE_VERDICT = 10


@contextmanager
def watched_companions() -> Iterator[None]:
    """Inside it, where one of the processes that train together is gone, the others end with a line that names it.

    All of them must enter it. A process that leaves it by an error lets the others end too.

    Raises:
        UserError: the processes cannot reach each other to be watched.
    """
    if process()[1] == 1:
        yield
        return
    watch = _start_watch()
    ended = FAILED
    try:
        yield
        ended = DONE
    except UserError:
        raise
    except Exception:
        # Of a lost companion JAX tells this one by some error, or not: its watch ends this one, and says which.
        with suppress(subprocess.TimeoutExpired):
            watch.wait(SECONDS_FOR_THE_VERDICT)
        raise
    finally:
        with suppress(OSError):  # all others were done before
            os.write(watch.stdin.fileno(), ended.encode())  # type: ignore[union-attr]  # it was asked for
        watch.communicate()


def _start_watch() -> "subprocess.Popen[bytes]":
    """A watch that has met the others (see `companion_watch`)."""
    from jax.experimental.multihost_utils import broadcast_one_to_all

    number, count = process()
    host = os.environ["KERAS_DISTRIBUTION_JOB_ADDRESSES"].split(",")[0].rpartition(":")[0]
    key: bytes = np.asarray(broadcast_one_to_all(np.frombuffer(os.urandom(16), np.uint8))).tobytes()
    watch, port = None, 0
    if number == 0:
        watch = _popen(number, host, port, count, key)
        port = int(_line(watch) or 0)
    port = int(broadcast_one_to_all(np.int32(port)))
    watch = watch or _popen(number, host, port, count, key)
    if _line(watch) != "ready":
        raise UserError(f"KERAS_DISTRIBUTION_JOB_ADDRESSES: the processes cannot reach port {port} of {host}")
    return watch


def _popen(number: int, host: str, port: int, count: int, key: bytes) -> "subprocess.Popen[bytes]":
    script = Path(__file__).with_name("companion_watch.py")
    command = [sys.executable, "-I", str(script), str(number), host, str(port), str(count)]
    environment = os.environ | {KEY: key.hex()}
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _line(watch: "subprocess.Popen[bytes]") -> str:
    return watch.stdout.readline().decode().strip() if watch.stdout else ""
