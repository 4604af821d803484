"""Files are decoded in processes of their own, under limits: whatever a file does to its decoder, the caller goes on.

Decoders are large, old and written in C, and files may come from anywhere. A process that decodes has little memory and
time (see `limits`); if it dies, the file is refused with the reason and the next one gets a new process. There are at
most as many as cores, and they end with the process that started them, however it ends.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any, Literal

from pneumonia.errors import UserError
from pneumonia.radiographs.limits import SECONDS_STUCK
from pneumonia.radiographs.radiograph import UnreadableRadiograph

Task = Literal["film", "elements"]


class _Decoder:
    """A process that decodes, one file at a time.

    Raises:
        UserError: the system does not let it start.
    """

    def __init__(self) -> None:
        self.connection, theirs = Pipe()
        package = str(Path(__file__).parents[2])  # also where it is not installed, as in a registered model
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"}
        # -P: a module beside the films must not stand in for one of Python's.
        command = [sys.executable, "-P", "-m", "pneumonia.radiographs.decoder_process", str(theirs.fileno())]
        try:
            self.process = subprocess.Popen(
                command,
                env=environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # what libraries print of a file may quote a patient
            )
            theirs.close()
            self.connection.recv_bytes()  # it is ready
        except (EOFError, OSError) as error:  # so that no film is blamed for it
            raise UserError(f"no process can be started to decode films ({str(error) or 'it ends at once'})") from error

    def ask(self, request: tuple[Task, bytes | str, Sequence[object]]) -> tuple[dict[str, Any], bytes]:
        """What `decoder_process` answers.

        Raises:
            EOFError, OSError: it died.
            TimeoutError: it is stuck.
        """
        self.connection.send(request)
        if not self.connection.poll(SECONDS_STUCK):
            raise TimeoutError
        # Not by pickle: a decoder that a film has taken over must not run anything here.
        answer = json.loads(self.connection.recv_bytes())
        return answer, self.connection.recv_bytes() if "height" in answer else b""

    def end(self) -> int:
        """End the process, if it has not ended already; return how it ended, as `subprocess` tells it."""
        self.connection.close()
        if self.process.poll() is None:
            try:
                self.process.wait(1)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()


_free = threading.BoundedSemaphore(os.cpu_count() or 1)
_idle: list[_Decoder] = []


def isolated(task: Task, source: Path | bytes, *arguments: object) -> tuple[dict[str, Any], bytes]:
    """Have a decoder do a `task` with a file or the bytes of one: its answer (see `decoder_process`), and any pixels.

    Raises:
        UnreadableRadiograph: the file's own fault, or a decoder that died over it.
        UserError: no decoder can be started.
    """
    path = source if isinstance(source, bytes) else os.path.abspath(source)
    with _free:
        decoder = _idle.pop() if _idle else _Decoder()
        if decoder.process.poll() is not None:  # ended by somebody else, such as the system for want of memory
            decoder.end()
            decoder = _Decoder()
        try:
            answer, pixels = decoder.ask((task, path, arguments))
        except (EOFError, OSError) as error:
            raise UnreadableRadiograph(_why_dead(decoder.end(), error)) from None
        except BaseException:  # an answer that is still to come must not be taken for that of the next file
            decoder.end()
            raise
        _idle.append(decoder)
    if "refused" in answer:
        raise UnreadableRadiograph(answer["refused"])
    return answer, pixels


def _why_dead(status: int, error: Exception) -> str:
    if status == -signal.SIGPROF or isinstance(error, TimeoutError):
        return "decompression bomb: it takes too much time to decode"
    name = signal.Signals(-status).name if status < 0 else f"exit code {status}"
    return f"corrupt: it ends its decoder ({name})"


def _forget() -> None:
    """In a fork: the decoders are the parent's."""
    global _free
    _free = threading.BoundedSemaphore(os.cpu_count() or 1)
    for decoder in _idle:
        decoder.connection.close()
    _idle.clear()


os.register_at_fork(after_in_child=_forget)
