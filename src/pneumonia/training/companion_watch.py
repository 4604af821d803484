"""The process that `companions` starts beside each of those that train together: it ends its parent when one is gone.

A process of its own, since JAX ends a training at once, with a stack trace, when the first process is gone. Each has a
connection to the one beside the first, which decides who was gone first and tells all. The system closes the pipe to
a parent, and the connection, however they end.
"""

import os
import signal
import socket
import sys
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, wait

SECONDS_TO_MEET = 60
SECONDS_TO_FAIL = 5
"""How long the others may take to end by themselves after one has failed: they mostly fail for the same reason."""

DONE, FAILED, GONE = "done", "failed", "gone"
"""What a parent may say at its end; the last one it says by being dead."""

KEY = "PNEUMONIA_COMPANIONS_KEY"
"""The environment variable with what all of them know, and no other process."""

PARENT = 0
"""The file descriptor of the pipe from the parent."""


def main(number: int, host: str, port: int, count: int, key: bytes) -> None:
    """Watch process `number` of `count`; at `host` and `port` is the watch of the first one, which says its port."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interruption means
    parent = os.getppid()
    signal.alarm(SECONDS_TO_MEET)  # ends this process
    try:
        verdict = _decide(host, count, key) if number == 0 else _ask(number, host, port, key)
    except OSError:  # no connection: the parent hears nothing from here, and says so
        return
    ended, _, who = verdict.partition(" ")
    if ended == DONE or who.split(" ")[0] == str(number):
        return
    if ended == FAILED and wait([PARENT], SECONDS_TO_FAIL):
        return  # it has ended too, and said why
    why = "has failed, and said why" if ended == FAILED else "is gone"
    print(
        f"error: process {who}, of {count} that train together, {why}; "
        f"start all of them again, and they go on after the last whole epoch",
        file=sys.stderr,
        flush=True,
    )
    if os.getppid() == parent:
        os.kill(parent, signal.SIGKILL)  # it waits for the others in compiled code, and hears nothing else


def _decide(host: str, count: int, key: bytes) -> str:
    """Beside the first process: wait for the first end that is not in order, and tell all; return what was told."""
    others: dict[Connection, str] = {}
    with Listener(("", 0), backlog=count, authkey=key) as listener:
        print(listener.address[1], flush=True)
        while len(others) < count - 1:
            with suppress(AuthenticationError):  # a stranger, who does not know the key
                other = listener.accept()
                others[other] = other.recv_bytes().decode()
    signal.alarm(0)
    print("ready", flush=True)
    verdict = None
    while verdict is None:
        verdict = _next_end(host, others)
    for other in others:
        _tell(other, verdict)
    return verdict


def _next_end(host: str, others: dict[Connection, str]) -> str | None:
    """Wait until one ends: what to tell all; None, and it is forgotten, where it is not the first and has done all."""
    ready = wait([PARENT, *others])
    if PARENT in ready:  # looked at first: the others may be gone since the first one is
        return f"{_said_by_parent()} 0 on {host}"
    [other, *_] = [each for each in ready if isinstance(each, Connection)]
    ended = _heard(other)
    if ended == DONE:
        del others[other]
        return None
    return f"{ended} {others[other]}"


def _ask(number: int, host: str, port: int, key: bytes) -> str:
    """Beside another process: tell the first one's watch how this one ended, or be told of another."""
    with Client((host, port), authkey=key) as first:
        _tell(first, f"{number} on {socket.gethostname()}")
        signal.alarm(0)
        print("ready", flush=True)
        if first not in wait([PARENT, first]):
            ended = _said_by_parent()
            _tell(first, ended)
            if ended == DONE:
                return DONE
        verdict = _heard(first)
        return f"{GONE} 0 on {host}" if verdict == GONE else verdict


def _said_by_parent() -> str:
    return os.read(PARENT, 100).decode() or GONE


def _heard(other: Connection) -> str:
    try:
        return other.recv_bytes().decode()
    except (EOFError, OSError):
        return GONE


def _tell(other: Connection, words: str) -> None:
    with suppress(OSError):  # it may be gone too
        other.send_bytes(words.encode())


if __name__ == "__main__":
    _, number, host, port, count = sys.argv
    main(int(number), host, int(port), int(count), bytes.fromhex(os.environ[KEY]))
