"""What a process of its own costs: films read by `read_radiograph` against the same decoded in this process.

    python benchmarks/reading.py [FILE|FOLDER …]

Of 200 generated films (`data/raw`) where no place is named.
"""

import argparse
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pneumonia.commands.places import films_in
from pneumonia.radiographs.decode import decode
from pneumonia.radiographs.read import read_radiograph

FILMS, ROUNDS = 200, 5


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("places", nargs="*", type=Path, default=[Path("data/raw")])
    files = films_in(parser.parse_args().places)[:FILMS]
    read_radiograph(files[0])  # starts the process
    ways: dict[str, Callable[[], object]] = {
        "in this process": lambda: [decode(file.read_bytes()) for file in files],
        "in a process of its own": lambda: [read_radiograph(file) for file in files],
    }
    with ThreadPoolExecutor(2) as threads:
        ways["in two of them"] = lambda: list(threads.map(read_radiograph, files))
        best = dict.fromkeys(ways, math.inf)
        for _ in range(ROUNDS):  # by turns
            for way, work in ways.items():
                best[way] = min(best[way], seconds(work))
    for way, took in best.items():
        print(f"{way:24} {1000 * took / len(files):6.2f} ms a film, {best['in this process'] / took:.2f}")


if __name__ == "__main__":
    main()
