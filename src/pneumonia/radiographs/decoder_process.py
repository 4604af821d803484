"""The process that `isolation` starts: it takes files from its parent, decodes them, and sends what came out.

A request is (task, path or bytes, further arguments). The answer is JSON: the facts of a film, after which its pixels
follow; or the elements of a DICOM; or `refused`, the reason.
"""

import importlib
import json
import os
import resource
import signal
import stat
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pneumonia.radiographs.decode import decode
from pneumonia.radiographs.dicom import is_dicom, read_elements
from pneumonia.radiographs.limits import MAX_BYTES, MEMORY, start_clock, stop_clock
from pneumonia.radiographs.radiograph import UnreadableRadiograph


def main(connection: Connection) -> None:
    """Answer requests until the parent has gone."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = MEMORY if most == resource.RLIM_INFINITY else min(MEMORY, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interruption means
    connection.send_bytes(b"ready")
    while True:
        try:
            task, source, arguments = connection.recv()
        except EOFError:
            return
        answer, pixels = _answer(task, source, arguments)
        stop_clock()
        connection.send_bytes(json.dumps(answer).encode())
        if pixels is not None:
            connection.send_bytes(pixels)


def _answer(task: str, source: str | bytes, arguments: tuple[Any, ...]) -> tuple[dict[str, Any], Any]:
    try:
        data = source if isinstance(source, bytes) else _file_bytes(Path(source))
        if is_dicom(data):
            importlib.import_module("pydicom.pixels")  # before the time counts: it takes longer than most films
        start_clock()
        if task == "elements":
            return read_elements(data, *arguments), None
        film = decode(data)
    except UnreadableRadiograph as error:
        return {"refused": str(error)}, None
    except MemoryError:
        return {"refused": f"decompression bomb: it takes more than {MEMORY >> 20} MiB to decode"}, None
    facts = {name: value for name, value in vars(film).items() if name != "pixels"}
    return facts | {"height": film.height, "width": film.width}, film.pixels.data.cast("B")


def _file_bytes(path: Path) -> bytes:
    try:
        # A pipe would be waited for without O_NONBLOCK.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableRadiograph("no file: it is a device or a pipe")
            if status.st_size > MAX_BYTES:
                raise UnreadableRadiograph(f"too long: {status.st_size:,} bytes, at most {MAX_BYTES:,} are read")
            return file.read()
    except FileNotFoundError as error:
        raise UnreadableRadiograph("missing") from error
    except OSError as error:
        raise UnreadableRadiograph(f"cannot be read: {error.strerror}") from error


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])))
