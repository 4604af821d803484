"""What clean, split and rebalance take of time and memory by the number of films, and how fast an epoch is read.

    python benchmarks/many_films.py 1000 10000 [--folder DISK]

It makes so many films of 64 pixels, no two alike, two for each patient. Memory is the most that a stage and its workers
had in memory at once (resident, looked at ten times a second; what two processes share counts twice). Epochs are
gathered as training does it, batch by batch, first with no film in the system's cache, then with those that it keeps;
all numbers of films in turns, the best of three rounds.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import yaml
from PIL import Image

from pneumonia.params.load import load_params
from pneumonia.preparation.packed.films import open_images
from pneumonia.sources.shared.raw import Film, write_index
from pneumonia.training.batches import TrainingBatches

REPOSITORY = Path(__file__).parents[1]
SIZE = 64
ROUNDS, SECONDS = 3, 2


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds, memory and reading rate by the number of films.")
    parser.add_argument("counts", type=int, nargs="*", default=[1000, 10000], help="how many films")
    parser.add_argument(
        "--folder", type=Path, help="where to make them, and what becomes of them; else where TMPDIR is"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as temporary:
        folders = [Path(temporary, str(count)) for count in given.counts]
        for count, folder in zip(given.counts, folders, strict=True):
            measure_stages(folder, count)
        rounds = [[read_epochs(folder, cold) for folder in folders for cold in (True, False)] for _ in range(ROUNDS)]
        best = np.max(rounds, axis=0).reshape(-1, 2)
        for count, (cold, again) in zip(given.counts, best, strict=True):
            print(f"{count:8,} films  epochs, from disk {cold:8.0f} films/s, from memory {again:8.0f} films/s")


def measure_stages(folder: Path, count: int) -> None:
    values = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    values["clean"] |= {"image_size": SIZE, "min_size": 32}
    make_films(folder / "data" / "raw", count)
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    for stage in ("clean", "split", "rebalance"):
        seconds, memory = run(stage, folder)
        print(f"{count:8,} films  {stage:10}{seconds:8.1f} s {memory / 2**20:8.0f} MiB", flush=True)


def make_films(raw: Path, count: int) -> None:
    raw.mkdir(parents=True)
    films, shapes = [], [smooth_shape(seed) for seed in range(100)]
    for number in range(count):
        grain = np.random.default_rng(number).integers(0, 12, (SIZE, SIZE), dtype=np.uint8)
        name = f"{number // 1000:04}/{number:07}.png"
        (raw / name).parent.mkdir(exist_ok=True)
        Image.fromarray(shapes[number % 100] + grain).save(raw / name, compress_level=1)
        films.append(Film(name, ("normal", "bacterial")[number // 2 % 2], f"patient {number // 2}", ""))
    write_index(raw, films, {"name": "made for the benchmark", "licence": "none"})


def smooth_shape(seed: int) -> np.ndarray:
    blocks = np.random.default_rng(seed).integers(40, 216, (6, 6), dtype=np.uint8)
    return np.asarray(Image.fromarray(blocks).resize((SIZE, SIZE)))


def run(stage: str, folder: Path) -> tuple[float, int]:
    """Seconds of a stage, and the most bytes in memory of it with its children."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src"), "TQDM_DISABLE": "1"}
    start, most = time.monotonic(), 0
    process = psutil.Popen([sys.executable, REPOSITORY / "stages" / f"{stage}.py"], cwd=folder, env=environment)
    while process.poll() is None:
        most = max(most, sum(map(resident, [process, *children(process)])))
        time.sleep(0.1)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, stage)
    return time.monotonic() - start, most


def children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def read_epochs(folder: Path, cold: bool) -> float:
    """Films per second: one epoch after the other, or as much of it as fits into `SECONDS`."""
    if cold:
        with (folder / "data" / "clean" / "images.npy").open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    batches = TrainingBatches(
        open_images(folder / "data" / "clean"),
        pd.read_csv(folder / "data" / "train.csv"),
        load_params(folder / "params.yaml"),
    )
    films, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        inputs, _, _ = batches[films // batches.settings.batch_size % len(batches)]
        films += len(inputs["image"])
    return films / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
