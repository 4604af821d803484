"""A real `dask scheduler` and `dask worker`s on this machine: processes of which each can be stopped and killed."""

import os
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from typing import Self

from distributed import Client

from .conftest import REPOSITORY
from .mlflow_server import free_port

ENVIRONMENT = os.environ | {
    "PYTHONPATH": str(REPOSITORY / "src"),
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "30s",
}


class DaskCluster(AbstractContextManager):
    """Workers have one thread each; nobody starts them anew but a `nanny`."""

    def __init__(self, workers: int, nanny: bool = False, **environment: str) -> None:
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self.environment = ENVIRONMENT | environment
        self.nanny = "--nanny" if nanny else "--no-nanny"
        self.workers: list[subprocess.Popen] = []
        port = self.address.rpartition(":")[2]
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", port)
        for _ in range(workers):
            self.start_worker()
        self.client = Client(self.address, timeout=60, set_as_default=False)
        self.client.wait_for_workers(workers, timeout=60)

    def _start(self, *arguments: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
        return subprocess.Popen(
            command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )

    def start_worker(self) -> None:
        name = str(len(self.workers))
        self.workers.append(self._start("worker", self.address, self.nanny, "--nthreads", "1", "--name", name))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close(timeout=5)
        for process in [*self.workers, self.scheduler]:
            kill(process)

    def kill_worker_at_work(self) -> int:
        """Kill a worker that was given tasks which it has not done; return how many."""
        while True:
            tasks = {address: len(keys) for address, keys in self.client.processing().items()}
            busiest = max(tasks, key=lambda address: tasks[address])
            number = int(self.client.scheduler_info(n_workers=-1)["workers"][busiest]["name"])
            os.kill(self.workers[number].pid, signal.SIGSTOP)  # what it says from here on is nothing
            time.sleep(0.3)  # for what it has said before
            if held := len(self.client.processing()[busiest]):
                kill(self.workers[number])
                return held
            os.kill(self.workers[number].pid, signal.SIGCONT)


def kill(process: subprocess.Popen) -> None:
    """Kill it, and a nanny's workers with it."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
