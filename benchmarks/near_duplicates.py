"""How many altered copies of films `clean.near_duplicates` finds, and how often it takes two patients for one.

    python benchmarks/near_duplicates.py [FOLDER] [--most 1000] [--copies 40]

FOLDER holds JPEG or PNG films whose names begin with the patient (`person12_…`, `IM-0001-…`, `patient0001_…`). Of some
films copies are made: encoded anew, of another size, cropped, exposed otherwise, all at once. A pair of films whose
names tell two patients is known to be different, as far as the names tell. Without a folder it makes films itself, of a
patient each.
"""

import argparse
import io
import re
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from pneumonia.preparation.cleaning.near_duplicates import ALIKE, measure_candidates
from pneumonia.radiographs.read import read_radiograph, resize
from pneumonia.sources.phantom.source import render
from pneumonia.sources.phantom.thorax import draw_anatomy

SIZE, MADE = 224, 100
PATIENT = re.compile(r"person\d+|.*IM-\d+|patient\d+")


def encoded(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(film).save(file, "JPEG", quality=int(rng.integers(30, 70)))
    return np.asarray(Image.open(file))


def resized(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    share = rng.uniform(0.3, 0.8)
    return np.asarray(Image.fromarray(film).resize([max(64, round(share * side)) for side in film.shape[::-1]]))


def cropped(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    top, bottom, left, right = rng.uniform(0, 0.06, 4)
    height, width = film.shape
    return film[round(top * height) : round((1 - bottom) * height), round(left * width) : round((1 - right) * width)]


def exposed(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    greys = (film / 255.0) ** rng.uniform(0.6, 1.6) * rng.uniform(0.7, 1) + rng.uniform(0, 0.1)
    return np.rint(255 * greys.clip(0, 1)).astype(np.uint8)


def all_at_once(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return encoded(exposed(resized(cropped(film, rng), rng), rng), rng)


ALTERATIONS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "encoded anew": encoded,
    "resized": resized,
    "cropped by up to 6 % a side": cropped,
    "exposed otherwise": exposed,
    "all at once": all_at_once,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Copies found, and false alarms.")
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--most", type=int, default=1000, help="films, spread over all there are")
    parser.add_argument("--copies", type=int, default=40, help="of each alteration")
    given = parser.parse_args()
    originals = read(given.folder, given.most) if given.folder else generated(MADE)
    if len(originals) < 2:
        parser.error(f"{given.folder} has no films in it")
    rng = np.random.default_rng(0)
    films, patients, made = [], [], []
    for name, pixels in originals:
        films.append(resize(pixels, SIZE))
        found = PATIENT.match(name)
        patients.append(found[0] if found else name)
    for name, alter in ALTERATIONS.items():
        for row in rng.permutation(len(originals))[: given.copies]:
            made.append((name, row, len(films)))
            films.append(resize(alter(originals[row][1], rng), SIZE))
            patients.append(patients[row])
    images = np.stack(films)
    start = time.perf_counter()
    pairs, alike = measure_candidates(images)
    seconds = time.perf_counter() - start
    tell(np.array(patients), pairs, alike, made)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(images)} films at {SIZE} pixels in {seconds:.1f} s; at most {memory:.0f} MiB, films included")


def read(folder: Path, most: int) -> list[tuple[str, np.ndarray]]:
    files = sorted(path for path in folder.rglob("*") if path.suffix in {".jpeg", ".jpg", ".png"})
    return [(file.name, read_radiograph(file).pixels) for file in files[:: max(1, -(-len(files) // most))]]


def generated(number: int) -> list[tuple[str, np.ndarray]]:
    films = []
    for patient in range(number):
        rng = np.random.default_rng(patient)
        grey, _ = render(rng, draw_anatomy(rng), "normal", 256)
        films.append((f"patient{patient:04}.png", np.rint(255 * grey).astype(np.uint8)))
    return films


def tell(patients: np.ndarray, pairs: np.ndarray, alike: np.ndarray, made: list[tuple[str, int, int]]) -> None:
    by_pair = dict(zip(map(tuple, pairs.tolist()), alike, strict=True))
    print(f"{'copies':30} made  candidates  found   lowest similarities")
    for name in ALTERATIONS:
        values = np.array([by_pair.get((row, copy), -2.0) for kind, row, copy in made if kind == name])
        lowest = " ".join(f"{value:.2f}" for value in np.sort(values)[:5])
        print(f"{name:30} {len(values):4} {(values > -2).sum():11} {(values >= ALIKE).sum():6}   {lowest}")
    different = np.sort(alike[patients[pairs[:, 0]] != patients[pairs[:, 1]]])
    alarms, total = int((different >= ALIKE).sum()), len(patients) * (len(patients) - 1) // 2
    print(f"pairs of two patients: {len(different)} candidates, of {total:,} pairs; {alarms} are taken for copies")
    print("their highest similarities:", " ".join(f"{value:.2f}" for value in different[-8:]))
    for threshold in (0.6, 0.7, 0.8, 0.9):
        print(f"  from {threshold} on: {(different >= threshold).sum()}")


if __name__ == "__main__":
    main()
