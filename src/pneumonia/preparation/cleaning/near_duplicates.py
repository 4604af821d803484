"""Copies of a film that are not identical: encoded anew, of another size, cropped by some per cent, exposed otherwise.

No hash finds them, and a copy on both sides of a split is a film that a network has seen. A chest film looks like any
other, so there are two steps: films that are nearest to each other as a few numbers are candidates (an index, and not
all pairs), and each pair of these is laid over each other (see `registration`). `benchmarks/near_duplicates.py`
measures both on films of one's own: copies that it makes itself, and pairs that are known to be of different patients.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.decomposition import PCA
from sklearn.neighbors import BallTree

from pneumonia.preparation.cleaning.registration import SIDE, coarse_similarity, similarity, thumbnail
from pneumonia.radiographs.caption import write_caption

ALIKE = 0.85
"""From this similarity on two films are taken for copies."""
WORTH_A_LOOK = 0.8
"""Pairs whose coarse similarity is less are not looked at in detail."""
CROPPED = (0.0, 0.05, 0.1)
"""The shares by which each film is cropped to look for those that it is a larger version of."""
NEIGHBOURS, NUMBERS, POOLED, FITTED_ON, AT_ONCE = 4, 16, 8, 4000, 512
SHOWN = 16

Images = np.ndarray
"""Packed films, uint8 (N, S, S), memory-mapped."""


def find_copies(images: Images) -> pd.DataFrame:
    """The pairs of `images` that are taken for copies: their rows, `first` < `second`, and how `alike` they are."""
    pairs, alike = measure_candidates(images)
    found = alike >= ALIKE
    table = pd.DataFrame({"first": pairs[found, 0], "second": pairs[found, 1], "alike": alike[found]})
    return table.sort_values(["alike", "first"], ascending=[False, True], ignore_index=True)


def measure_candidates(images: Images) -> tuple[np.ndarray, np.ndarray]:
    """The candidates among `images`, pairs of rows, int (P, 2), and how alike each is, float (P,); -1 where a coarse
    look was enough.
    """
    if len(images) < 2:
        return np.empty((0, 2), int), np.empty(0)
    thumbnails = np.stack([thumbnail(film) for film in images])
    pairs = _candidates(images, thumbnails)
    alike = np.full(len(pairs), -1.0)
    for rows in _batches(len(pairs)):
        first, second = thumbnails[pairs[rows, 0]], thumbnails[pairs[rows, 1]]
        coarse, pose = coarse_similarity(first, second)
        near = coarse >= WORTH_A_LOOK
        if near.any():
            alike[rows[near]] = similarity(first[near], second[near], pose[near])
    return pairs, alike


def groups_of(pairs: pd.DataFrame, patients: pd.Series) -> pd.Series:
    """`patients` with one name for all those that `pairs`, of `first_patient` and `second_patient`, connect: the first
    by name.
    """
    name = {patient: patient for patient in {*patients, *pairs["first_patient"], *pairs["second_patient"]}}

    def root(patient: str) -> str:
        while name[patient] != patient:
            patient = name[patient]
        return patient

    for first, second in zip(pairs["first_patient"], pairs["second_patient"], strict=True):
        low, high = sorted([root(first), root(second)])
        name[high] = low
    return patients.map(root)


def plot_copies(pairs: pd.DataFrame, films: pd.DataFrame, images: Images) -> Figure:
    """Pairs side by side, `SHOWN` at most: those that are least alike first, since they are the doubtful ones.

    Those that are identical, without rows in `images`, are left out.
    """
    pairs = pairs.dropna(subset="first")
    shown = pairs.sort_values("alike").head(SHOWN)
    rows = max(1, -(-len(shown) // 4))
    figure = Figure(figsize=(13, 2.2 * rows + 0.4), layout="constrained")
    places = figure.subplots(rows, 4, squeeze=False).ravel()
    for axes in places:
        axes.set_axis_off()
    for axes, pair in zip(places, shown.itertuples(), strict=False):
        axes.imshow(np.concatenate([images[pair.first], images[pair.second]], axis=1), cmap="gray", vmin=0, vmax=255)
        one, other = (str(films["file"].iloc[row]) for row in (pair.first, pair.second))
        write_caption(axes, one, 22, f"{other.rpartition('/')[2][:22]}, {pair.alike:.2f}", fontsize=7)
    figure.suptitle(f"{len(pairs)} pairs that are taken for copies of one film, the most doubtful first")
    return figure


def _candidates(images: Images, thumbnails: np.ndarray) -> np.ndarray:
    """The pairs, int (P, 2), of films that are among each other's nearest, as they are or cropped."""
    sample = thumbnails[:: max(1, len(thumbnails) // FITTED_ON)]
    numbers = min(NUMBERS, len(sample))
    reduce = PCA(numbers, svd_solver="full").fit(_pooled(sample))
    tree = BallTree(reduce.transform(_pooled(thumbnails)))
    found = set()
    neighbours = min(NEIGHBOURS + 1, len(thumbnails))
    for share in CROPPED:
        for rows in _batches(len(images)):
            asked = thumbnails[rows] if share == 0 else np.stack([thumbnail(images[row], share) for row in rows])
            near = tree.query(reduce.transform(_pooled(asked)), neighbours, return_distance=False)
            found |= {
                (min(row, other), max(row, other)) for row, others in zip(rows, near, strict=True) for other in others
            }
    return np.array(sorted(pair for pair in found if pair[0] != pair[1]), int).reshape(-1, 2)


def _pooled(thumbnails: np.ndarray) -> np.ndarray:
    """Means of squares, float (N, POOLED²)."""
    side = SIDE // POOLED
    return thumbnails.reshape(-1, POOLED, side, POOLED, side).mean(axis=(2, 4)).reshape(-1, POOLED * POOLED)


def _batches(number: int) -> Iterator[np.ndarray]:
    for start in range(0, number, AT_ONCE):
        yield np.arange(start, min(start + AT_ONCE, number))
