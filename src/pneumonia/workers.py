"""One function over many items, on the cores of this machine or of a Dask cluster."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import joblib
from tqdm import tqdm

from pneumonia.errors import UserError, few
from pneumonia.lifetime import end_with
from pneumonia.params.stages import Compute

if TYPE_CHECKING:
    from distributed import Client, Future

Item = TypeVar("Item")
Result = TypeVar("Result")

ITEMS_PER_TASK = 8
"""A film takes some milliseconds, and handing out a task about one: with eight films a task that cost is small."""

TASKS_PER_WINDOW = 32
"""Per worker. At most one window of results waits in memory; at its end a worker idles for half a task."""

SECONDS_TO_CONNECT = 5

SECONDS_WITHOUT_WORKERS = 60
"""A cluster may start its workers anew, and a scheduler be busy: for so long the work waits for them."""

SECONDS_BETWEEN_LOOKS = 2


def parallel_map(
    function: Callable[[Item], Result], items: Sequence[Item], compute: Compute, description: str
) -> Iterator[Result]:
    """Yield `function(item)` for each item, in the order of the items, with a progress bar on stderr.

    However slow the caller, only a window of results is ever held. Where `compute.scheduler` is a Dask scheduler, all
    its workers share the work: they need this package, and see paths as their own. The work of one that dies is done by
    the others.

    Raises:
        UserError: the Dask scheduler cannot be reached, is lost, has no workers for a minute, or an item kills them.
    """
    if not items:
        return
    results = _on_cores(function, items, compute.workers)
    if compute.scheduler != "local":
        results = _on_cluster(function, items, compute.scheduler)
    with tqdm(desc=description, total=len(items)) as progress:
        for result in results:
            progress.update()
            yield result


def _windows(items: Sequence[Item], workers: int) -> Iterator[Sequence[Item]]:
    size = workers * TASKS_PER_WINDOW * ITEMS_PER_TASK
    return (items[start : start + size] for start in range(0, len(items), size))


def _on_cores(function: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    with (
        joblib.parallel_config("loky", initializer=end_with, initargs=(os.getpid(),)),
        joblib.Parallel(workers, return_as="generator", batch_size=ITEMS_PER_TASK, pre_dispatch="all") as parallel,
    ):
        for window in _windows(items, joblib.effective_n_jobs(workers)):
            yield from parallel(joblib.delayed(function)(item) for item in window)


def _on_cluster(function: Callable[[Item], Result], items: Sequence[Item], scheduler: str) -> Iterator[Result]:
    """By Dask's own futures: joblib's wait for ever where the scheduler or all workers are gone."""
    with _client(scheduler) as client:
        threads = max(1, sum(client.nthreads().values()))  # of none, where all workers died just now
        for window in _windows(items, threads):
            batches = [window[start : start + ITEMS_PER_TASK] for start in range(0, len(window), ITEMS_PER_TASK)]
            tasks = [client.submit(partial(_each, function, batch), pure=False) for batch in batches]
            tasks.reverse()  # to be popped: a result is held until it was yielded
            for batch in batches:
                yield from _result(tasks.pop(), batch, client, scheduler)


def _each(function: Callable[[Item], Result], batch: Sequence[Item]) -> list[Result]:
    return [function(item) for item in batch]


@contextmanager
def _client(scheduler: str) -> "Iterator[Client]":
    from distributed import CancelledError, Client  # here, since it takes a second and few use a cluster
    from distributed.client import ClosedClientError

    # Of what is lost they would print tracebacks; the line below has what matters.
    for name in ("asyncio", "distributed.client", "distributed.core", "distributed.utils"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        # Dask's client waits for ever for one that takes the call and says nothing, whatever its own timeout.
        asyncio.run(asyncio.wait_for(_greet(scheduler), SECONDS_TO_CONNECT))
        client = Client(scheduler, timeout=SECONDS_TO_CONNECT)
    except OSError as error:
        raise UserError(f"Dask scheduler {scheduler}: none answers there; start it, or say local") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=SECONDS_TO_CONNECT)
        except TimeoutError as error:
            raise UserError(
                f"Dask scheduler {scheduler}: it has no workers; start some with `dask worker {scheduler}`"
            ) from error
        try:
            yield client
        except (CancelledError, ClosedClientError) as error:  # Dask cancels all, as soon as the connection breaks
            raise UserError(
                f"Dask scheduler {scheduler}: it is gone, and the work with it; start it and workers, then this again"
            ) from error


async def _greet(scheduler: str) -> None:
    from distributed import rpc

    async with rpc(scheduler) as asked:
        await asked.identity()


def _result(task: "Future[Any]", batch: Sequence[object], client: "Client", scheduler: str) -> list[Any]:
    """What `task` made of its `batch`, once it is done; an exception that an item raised is raised here."""
    from distributed import KilledWorker, wait

    last_seen = time.monotonic()
    while task.status != "error":
        try:
            wait([task], timeout=SECONDS_BETWEEN_LOOKS)
            if task.status == "finished":
                return task.result(timeout=SECONDS_WITHOUT_WORKERS)
        except OSError:  # it is not done yet, or what it gave died with a worker
            workers = _count_workers(client)
            if workers:
                last_seen = time.monotonic()
            elif time.monotonic() - last_seen > SECONDS_WITHOUT_WORKERS:
                what = "has not answered" if workers is None else "has had no workers"
                raise UserError(
                    f"Dask scheduler {scheduler}: it {what} for {SECONDS_WITHOUT_WORKERS} s; "
                    f"start workers with `dask worker {scheduler}`, then this again"
                ) from None
    try:
        return task.result()
    except KilledWorker as error:
        films = f" ({few([str(item) for item in batch], ITEMS_PER_TASK)})" if isinstance(batch[0], Path) else ""
        raise UserError(
            f"Dask scheduler {scheduler}: {error.allowed_failures + 1} workers died, one after the other, while they "
            f"worked on the same {len(batch)} films{films}; their logs say why, too little memory for one"
        ) from error


def _count_workers(client: "Client") -> int | None:
    """How many there are; None where the scheduler does not answer."""
    try:
        return len(client.sync(client.nthreads, callback_timeout=SECONDS_TO_CONNECT))
    except (OSError, AttributeError):  # the latter where the client has just closed itself
        return None
