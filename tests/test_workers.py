"""Results come in order, from local processes and from a Dask cluster, and never pile up."""

import os
import signal
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

from .dask_cluster import DaskCluster, kill

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
        pytest.raises(UserError, match=f"Dask scheduler {empty.scheduler_address}: it has no workers"),
    ):
        list(parallel_map(abs, [1], Compute(scheduler=empty.scheduler_address, workers=-1), "numbers"))


@pytest.mark.parametrize("listens", [False, True])
def test_where_no_scheduler_answers_is_one_line(listens: bool) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        if listens:
            mute.listen()
        address = f"tcp://127.0.0.1:{mute.getsockname()[1]}"
        start = time.monotonic()
        with pytest.raises(UserError, match=f"Dask scheduler {address}: none answers there") as caught:
            list(parallel_map(abs, [1], Compute(scheduler=address, workers=-1), "numbers"))
    assert "\n" not in str(caught.value)
    assert time.monotonic() - start < 10


def at_work(cluster: DaskCluster) -> Iterator[int]:
    """Numbers from workers that are in the midst of their work, of which the first is taken."""

    def number_slowly(number: int) -> int:
        time.sleep(0.02)
        return number

    results = parallel_map(number_slowly, range(400), Compute(scheduler=cluster.address, workers=-1), "numbers")
    assert next(results) == 0
    return results


@pytest.mark.slow
def test_work_waits_for_workers_that_come_back() -> None:
    with DaskCluster(workers=2) as cluster:
        results = at_work(cluster)
        for worker in cluster.workers:
            kill(worker)
        cluster.start_worker()
        assert list(results) == list(range(1, 400))


@pytest.mark.slow
@pytest.mark.parametrize("hangs", [False, True])
def test_a_scheduler_that_is_lost_is_told_in_time(monkeypatch: pytest.MonkeyPatch, hangs: bool) -> None:
    monkeypatch.setattr(workers, "SECONDS_WITHOUT_WORKERS", 5)
    told = "it has not answered for 5 s" if hangs else "it is gone"
    with DaskCluster(workers=2) as cluster:
        results = at_work(cluster)
        os.kill(cluster.scheduler.pid, signal.SIGSTOP if hangs else signal.SIGKILL)
        start = time.monotonic()
        with pytest.raises(UserError, match=f"Dask scheduler {cluster.address}: {told}"):
            list(results)
        assert time.monotonic() - start < 30


@pytest.mark.slow
def test_a_scheduler_that_was_lost_between_two_windows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "TASKS_PER_WINDOW", 1)
    with DaskCluster(workers=1) as cluster:
        results = at_work(cluster)
        for _ in range(workers.ITEMS_PER_TASK - 1):
            next(results)
        kill(cluster.scheduler)
        time.sleep(5)  # the client gives up in the meantime
        with pytest.raises(UserError, match=f"Dask scheduler {cluster.address}: it is gone"):
            next(results)


@pytest.mark.slow
def test_films_that_kill_their_workers_are_named(tmp_path: Path) -> None:
    def die_of_one(path: Path) -> str:
        if path.name == "9.png":
            os.kill(os.getpid(), signal.SIGKILL)
        return path.name

    films = [tmp_path / f"{number}.png" for number in range(40)]
    with (
        DaskCluster(workers=2, nanny=True, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="1") as cluster,
        pytest.raises(UserError, match=f"Dask scheduler {cluster.address}: 2 workers died") as caught,
    ):
        list(parallel_map(die_of_one, films, Compute(scheduler=cluster.address, workers=-1), "films"))
    assert [film.name for film in films if str(film) in str(caught.value)] == [f"{n}.png" for n in range(8, 16)]
