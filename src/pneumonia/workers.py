"""One function over many items, on the cores of this machine or of a Dask cluster."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import joblib
from tqdm import tqdm

from pneumonia.errors import UserError
from pneumonia.lifetime import end_with
from pneumonia.params.stages import Compute

Item = TypeVar("Item")
Result = TypeVar("Result")

ITEMS_PER_TASK = 8
"""A film takes some milliseconds, and handing out a task about one: with eight films a task that cost is small."""

TASKS_PER_WINDOW = 32
"""Per worker. At most one window of results waits in memory; at its end a worker idles for half a task."""

SECONDS_TO_CONNECT = 5


def parallel_map(
    function: Callable[[Item], Result], items: Sequence[Item], compute: Compute, description: str
) -> Iterator[Result]:
    """Yield `function(item)` for each item, in the order of the items, with a progress bar on stderr.

    However slow the caller, only a window of results is ever held. Where `compute.scheduler` is a Dask scheduler, all
    its workers share the work: they need this package, and see paths as their own.

    Raises:
        UserError: the Dask scheduler cannot be reached or has no workers.
    """
    if not items:
        return
    with (
        _backend(compute) as workers,
        tqdm(desc=description, total=len(items)) as progress,
        joblib.Parallel(workers, return_as="generator", batch_size=ITEMS_PER_TASK, pre_dispatch="all") as parallel,
    ):
        window = joblib.effective_n_jobs(workers) * TASKS_PER_WINDOW * ITEMS_PER_TASK
        for start in range(0, len(items), window):
            for result in parallel(joblib.delayed(function)(item) for item in items[start : start + window]):
                progress.update()
                yield result


@contextmanager
def _backend(compute: Compute) -> Iterator[int]:
    """Yield how many workers joblib is to use; inside the block it uses the Dask cluster's, if one was named."""
    if compute.scheduler == "local":
        with joblib.parallel_config("loky", initializer=end_with, initargs=(os.getpid(),)):
            yield compute.workers
        return
    from dask.distributed import Client  # here, since it takes a second and few use a cluster

    try:
        client = Client(compute.scheduler, timeout=SECONDS_TO_CONNECT)
    except OSError as error:
        raise UserError(
            f"compute.scheduler is {compute.scheduler}; no Dask scheduler answers there (local needs none)"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=SECONDS_TO_CONNECT)
        except TimeoutError as error:
            raise UserError(
                f"compute.scheduler is {compute.scheduler}; it has no workers, start some with `dask worker`"
            ) from error
        with joblib.parallel_config("dask", client=client):
            yield -1
