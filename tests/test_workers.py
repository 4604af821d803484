"""Results come in order, from local processes and from a Dask cluster, and never pile up."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import LocalCluster

from pneumonia import workers
from pneumonia.errors import UserError
from pneumonia.params.stages import Compute
from pneumonia.workers import parallel_map

LOCAL = Compute(scheduler="local", workers=2)


@pytest.fixture(autouse=True)
def connect_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "SECONDS_TO_CONNECT", 2)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0", protocol="tcp") as it:
        yield it


# The functions are local to the tests, so that they travel to the workers by value: those cannot import this file.


def test_local_results_come_in_order_from_other_processes() -> None:
    def square_slowly_at_first(number: int) -> tuple[int, int]:
        time.sleep(0.05 if number < 2 else 0)
        return number * number, os.getpid()

    results = list(parallel_map(square_slowly_at_first, range(50), LOCAL, "squares"))
    assert [square for square, _ in results] == [number * number for number in range(50)]
    assert os.getpid() not in {process for _, process in results}


def test_work_waits_for_a_slow_caller(tmp_path: Path) -> None:
    def touch(path: Path) -> None:
        path.touch()

    window = 2 * workers.TASKS_PER_WINDOW * workers.ITEMS_PER_TASK
    results = parallel_map(touch, [tmp_path / str(number) for number in range(window + 100)], LOCAL, "touched")
    next(results)
    time.sleep(0.5)
    assert len(list(tmp_path.iterdir())) <= window
    list(results)
    assert len(list(tmp_path.iterdir())) == window + 100


ABANDONED = """
import os, time
from pneumonia.params.stages import Compute
from pneumonia.workers import parallel_map
def work(number):
    time.sleep(0.01)
    return os.getpid()
for worker in parallel_map(work, range(100_000), Compute(scheduler="local", workers=2), "numbers"):
    print(worker, flush=True)
"""


def test_no_worker_outlives_its_parent(tmp_path: Path) -> None:
    script = tmp_path / "abandoned.py"
    script.write_text(ABANDONED)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout
        assert int(parent.stdout.readline()) != parent.pid
        parent.kill()
        started = time.monotonic()
        parent.stdout.read()  # until no process holds it any more: joblib's own workers wait for five minutes
        assert time.monotonic() - started < 5


def test_an_exception_reaches_the_caller() -> None:
    def fail_on_three(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    with pytest.raises(ValueError, match="three"):
        list(parallel_map(fail_on_three, range(10), LOCAL, "numbers"))


def test_nothing_to_do() -> None:
    assert list(parallel_map(abs, [], LOCAL, "numbers")) == []


def test_dask_cluster_gives_the_same_in_order(cluster: LocalCluster) -> None:
    dask = Compute(scheduler=cluster.scheduler_address, workers=-1)
    for _ in range(2):  # the first leaves nothing behind that would disturb the second
        assert list(parallel_map(abs, range(-700, 0), dask, "numbers")) == list(range(700, 0, -1))


def test_scheduler_without_workers_is_one_line() -> None:
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=":0", protocol="tcp") as empty,
        pytest.raises(UserError, match="it has no workers"),
    ):
        list(parallel_map(abs, [1], Compute(scheduler=empty.scheduler_address, workers=-1), "numbers"))


def test_unreachable_scheduler_is_one_line() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        free_port = closed.getsockname()[1]
    start = time.monotonic()
    with pytest.raises(UserError, match=f"compute.scheduler is tcp://127.0.0.1:{free_port}; no Dask") as caught:
        list(parallel_map(abs, [1], Compute(scheduler=f"tcp://127.0.0.1:{free_port}", workers=-1), "numbers"))
    assert "\n" not in str(caught.value)
    assert time.monotonic() - start < 10
