"""A real `mlflow server` on this machine, which can be killed and started again at the same address."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path


def free_port() -> int:
    """A port that nobody listens at, below those that the system gives to others of itself."""
    while True:
        port = random.randrange(15000, 32000)
        with socket.socket() as free, suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port


class Server:
    """Its log is in `folder`, and so are its store and its artifacts where no others are given."""

    def __init__(
        self, folder: Path, store: str | None = None, artifacts: str | None = None, **environment: str
    ) -> None:
        self.folder, self.port = folder, free_port()
        folder.mkdir()
        self.store = store or f"sqlite:///{folder / 'server.db'}"
        self.artifacts = artifacts or str(folder / "artifacts")
        self.environment = os.environ | environment
        self.address = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        command = [
            sys.executable, "-m", "mlflow", "server", "--port", str(self.port), "--workers", "1",
            "--backend-store-uri", self.store, "--artifacts-destination", self.artifacts,
        ]  # fmt: skip
        with (self.folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder, env=self.environment, start_new_session=True
            )
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{self.address}/health").read()
                return
            except OSError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                time.sleep(0.5)
        raise TimeoutError((self.folder / "log").read_text())

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # its workers too
        self.process.wait()
