"""How fast `clean` decodes, beside the loop that one would write instead: bare Pillow, on each core.

    python benchmarks/clean.py [folder of radiographs]

Without a folder it makes films of 2.5 megapixels itself. The loop runs on one core; times the cores it is what an ideal
machine would reach. `clean` also checks, hashes and packs the films and sends them between processes. Its search for
duplicates and its report, some seconds whatever the films' sizes, are left out.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from pneumonia.params.load import Params, load_params
from pneumonia.preparation.cleaning.clean import pack

ROUNDS = 3  # taken in turns, so that a machine busy with other things is so for both
SECONDS = 3  # of each run, at the least


def main() -> None:
    parser = argparse.ArgumentParser(description="Films per second of `clean` and of a bare Pillow loop.")
    parser.add_argument("folder", type=Path, nargs="?", help="JPEG or PNG films; made where none is given")
    given = parser.parse_args().folder
    params = load_params(Path(__file__).parents[1] / "params.yaml")
    params = params.model_copy(update={"clean": params.clean.model_copy(update={"image_size": 299})})  # Kermany's
    with tempfile.TemporaryDirectory() as temporary:
        folder = given or make_films(Path(temporary) / "films", count=120)
        files = sorted(path.resolve() for path in folder.rglob("*") if path.suffix in {".jpeg", ".jpg", ".png"})
        if not files:
            parser.error(f"{folder} has no .jpeg, .jpg or .png in it")
        compare(files, params, Path(temporary) / "images.npy")


def compare(files: list[Path], params: Params, array: Path) -> None:
    size = params.clean.image_size
    cores = len(os.sched_getaffinity(0)) if params.compute.workers == -1 else params.compute.workers
    repeats = int(np.ceil(SECONDS * bare_loop(files, size) * cores / len(files)))
    rounds = [(bare_loop(files, size), packing(files * repeats, params, array)) for _ in range(ROUNDS)]
    bare, ours = (max(rates) for rates in zip(*rounds, strict=True))
    print(
        f"{len(files)} films to {size} x {size} pixels, repeated {repeats} times for clean; the best of {ROUNDS} rounds"
    )
    print(f"{'bare Pillow loop, 1 core':32}{bare:8.1f} films/s")
    print(f"{f'bare Pillow loop x {cores} cores':32}{bare * cores:8.1f} films/s")
    print(f"{f'decode and pack, {cores} processes':32}{ours:8.1f} films/s")
    print(f"{'ratio':32}{ours / (bare * cores):8.2f}")


def bare_loop(files: list[Path], size: int) -> float:
    """Films per second, on one core."""
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        for file in files:
            Image.open(file).convert("L").resize((size, size))
        done += len(files)
    return done / (time.perf_counter() - start)


def packing(files: list[Path], params: Params, array: Path) -> float:
    """Films per second, on all cores; the first round also starts the worker processes."""
    start = time.perf_counter()
    pack(pd.DataFrame({"file": [str(file) for file in files]}), Path("/"), array, params)
    return len(files) / (time.perf_counter() - start)


def make_films(folder: Path, count: int) -> Path:
    """Smooth shapes and film grain, so that they take as many bytes and as long to decode as real ones."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        shapes = Image.fromarray(rng.integers(0, 256, (8, 10), dtype=np.uint8)).resize((1790, 1400))
        film = np.asarray(shapes) + rng.normal(0, 4, (1400, 1790)).astype(np.float32)
        Image.fromarray(film.clip(0, 255).astype(np.uint8)).save(folder / f"{number:03}.jpeg", quality=75)
    return folder


if __name__ == "__main__":
    main()
