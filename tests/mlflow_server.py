"""A real `mlflow server` on this machine, which can be killed and started again at the same address."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path


class Server:
    """Its store and its artifacts are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        store, artifacts = f"sqlite:///{self.folder / 'server.db'}", str(self.folder / "artifacts")
        command = [
            sys.executable, "-m", "mlflow", "server", "--port", str(self.port), "--workers", "1",
            "--backend-store-uri", store, "--artifacts-destination", artifacts,
        ]  # fmt: skip
        with (self.folder / "log").open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, start_new_session=True)
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{self.address}/health").read()
                return
            except OSError:
                time.sleep(0.5)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # its workers too
        self.process.wait()
