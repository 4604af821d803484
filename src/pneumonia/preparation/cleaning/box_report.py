"""The boxes around opacities: how many per film, how large, where they lie, and how they look on films.

All boxes here are rows of `data/clean/boxes.csv`: pixels of the packed films, which are `size` × `size`.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pneumonia.radiographs.caption import write_caption

SAMPLES = 12
COLUMNS = 6
PLACES = 128
"""Places a side of the heat map, each of which tells how many films have a box there."""


def summarize_boxes(boxes: pd.DataFrame, films: pd.DataFrame, size: int) -> dict[str, Any]:
    """The numbers behind `boxes.png`; lengths and areas are shares of the film's."""
    a_film = boxes["file"].value_counts()
    shares = pd.DataFrame({"width": boxes["width"] / size, "height": boxes["height"] / size})
    shares["area"] = shares["width"] * shares["height"]
    return {
        "boxes": len(boxes),
        "films_with": len(a_film),
        "films_without": len(films) - len(a_film),
        "films_by_boxes": {str(number): int(count) for number, count in a_film.value_counts().sort_index().items()},
        "share_of_film": shares.agg(["min", "median", "max"]).round(4).to_dict(),
    }


def coverage(boxes: pd.DataFrame, size: int) -> np.ndarray:
    """For each place, the share of films with boxes that have one there: float64 (PLACES, PLACES), the top row first.

    A film counts once where its boxes overlap.
    """
    centres = (np.arange(PLACES) + 0.5) * size / PLACES
    films = np.zeros((PLACES, PLACES))
    for _, of_film in boxes.groupby("file"):
        x, y, width, height = of_film[["x", "y", "width", "height"]].to_numpy().T[..., None]
        across, down = (x <= centres) & (centres < x + width), (y <= centres) & (centres < y + height)
        films += (down[:, :, None] & across[:, None, :]).any(axis=0)
    return films / boxes["file"].nunique()


def plot_box_places(boxes: pd.DataFrame, films: pd.DataFrame, size: int) -> Figure:
    """A figure of the boxes per film, their sizes, and the heat map of `coverage`."""
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    numbers, sizes, places = figure.subplots(1, 3)
    a_film = boxes["file"].value_counts().value_counts().sort_index()
    numbers.bar_label(numbers.bar(a_film.index, a_film, color="#d55e00"), fmt="{:,.0f}")
    numbers.set_xticks(range(1, int(a_film.index.max()) + 1))
    without = len(films) - boxes["file"].nunique()
    numbers.set(title="Boxes a film", xlabel=f"boxes ({without:,} films have none)", ylabel="films")
    width, height = 100 * boxes["width"] / size, 100 * boxes["height"] / size
    sizes.scatter(width, height, s=8, alpha=0.4, color="#d55e00", linewidths=0)
    sizes.plot(width.median(), height.median(), "k+", markersize=12, markeredgewidth=2)
    middle = f"median (+) {width.median():.0f} x {height.median():.0f} %"
    sizes.set(title=f"Sizes of {len(boxes):,} boxes, {middle}", xlim=(0, 100), ylim=(0, 100), aspect="equal")
    sizes.set(xlabel="width, % of the film's", ylabel="height, % of the film's")
    heat = places.imshow(100 * coverage(boxes, size), cmap="magma", vmin=0, extent=(0, 100, 100, 0))
    places.set(title="Where they lie", xlabel="% of the film's width", ylabel="% of the film's height")
    figure.colorbar(heat, ax=places, label="films with a box there, % of those with boxes", shrink=0.85)
    for axes in (numbers, sizes):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_box_samples(boxes: pd.DataFrame, films: pd.DataFrame, images: np.ndarray) -> Figure:
    """A figure of films with their boxes in red, spread evenly over those that have any: the same for the same films.

    `films` has a row for each of `images`, uint8 (N, size, size).
    """
    rows = np.flatnonzero(films["file"].isin(boxes["file"]))
    rows = rows[np.linspace(0, len(rows) - 1, min(SAMPLES, len(rows))).astype(int)]
    lines = -(-len(rows) // COLUMNS)
    figure = Figure(figsize=(2.2 * COLUMNS, 2.4 * lines + 0.3), layout="constrained")
    figure.suptitle(f"Boxes on {len(rows):,} of the {boxes['file'].nunique():,} films that have any")
    grid = figure.subplots(lines, COLUMNS, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for row, axes in zip(rows, grid, strict=False):
        file = films.at[row, "file"]
        axes.imshow(images[row], cmap="gray", vmin=0, vmax=255)
        write_caption(axes, file, 24, fontsize=7, color="dimgray")
        _outline(axes, boxes[boxes["file"] == file])
    return figure


def _outline(axes: Axes, boxes: pd.DataFrame) -> None:
    for x, y, width, height in boxes[["x", "y", "width", "height"]].to_numpy():
        # Pixels are drawn around their index: the first one begins at -0.5.
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), width, height, fill=False, edgecolor="red", linewidth=1.5))
