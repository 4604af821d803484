"""One function over many items, on the cores of this machine or of a Dask cluster."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import joblib
from tqdm import tqdm

from pneumonia.params import Compute

Item = TypeVar("Item")
Result = TypeVar("Result")


def parallel_map(
    function: Callable[[Item], Result], items: Sequence[Item], compute: Compute, description: str
) -> Iterator[Result]:
    """Yield `function(item)` for each item, in the order of the items, with a progress bar on stderr."""
    parallel = joblib.Parallel(n_jobs=compute.workers, return_as="generator")
    yield from tqdm(parallel(joblib.delayed(function)(item) for item in items), desc=description, total=len(items))
