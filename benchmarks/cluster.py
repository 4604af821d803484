"""How fast films are read by one process, and by a Dask cluster of 1, 2, 4 … workers on this machine.

    python benchmarks/cluster.py [--films 1500] [--workers 2]

Efficiency is the rate for each worker against that of one process. On one machine it says what the cluster costs, up to
as many workers as there are cores; beyond that they share the cores. Films are 1.2 megapixels, made here.
"""

import argparse
import os
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from distributed import Client, LocalCluster
from PIL import Image

from pneumonia.params.stages import Compute
from pneumonia.preparation.cleaning.clean_one import pack_film
from pneumonia.workers import parallel_map

DIFFERENT = 100
"""Films on disk; they are read again and again."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Films per second by the number of workers.")
    parser.add_argument("--films", type=int, default=1500, help="how many films are read each time")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="the most workers; else one a core")
    given = parser.parse_args()
    os.environ["TQDM_DISABLE"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        files = make_films(Path(folder))
        films = [files[number % DIFFERENT] for number in range(given.films)]
        alone = rate(films, Compute(scheduler="local", workers=1))
        print(f"{'one process':24}{alone:8.1f} films/s")
        workers = 1
        while workers <= given.workers:
            with (
                LocalCluster(workers, threads_per_worker=1, dashboard_address=None, protocol="tcp") as cluster,
                Client(cluster) as client,
            ):
                client.wait_for_workers(workers, timeout=60)
                cluster_rate = rate(films, Compute(scheduler=cluster.scheduler_address, workers=-1))
            print(f"{f'cluster, {workers} workers':24}{cluster_rate:8.1f} films/s{cluster_rate / alone / workers:8.2f}")
            workers *= 2


def rate(films: list[Path], compute: Compute) -> float:
    """Films per second, once the workers have imported what they need."""
    pack = partial(pack_film, size=224, min_size=64)
    list(parallel_map(pack, films[:64], compute, "warming up"))
    start = time.perf_counter()
    assert all(not isinstance(film, str) for film in parallel_map(pack, films, compute, "reading"))
    return len(films) / (time.perf_counter() - start)


def make_films(folder: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    files = [folder / f"{number}.jpeg" for number in range(DIFFERENT)]
    for file in files:
        shapes = Image.fromarray(rng.integers(0, 256, (8, 10), dtype=np.uint8)).resize((1250, 960))
        film = np.asarray(shapes) + rng.normal(0, 4, (960, 1250)).astype(np.float32)
        Image.fromarray(film.clip(0, 255).astype(np.uint8)).save(file, quality=75)
    return files


if __name__ == "__main__":
    main()
