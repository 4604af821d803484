"""What `clean` kept and rejected, in numbers and in figures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pneumonia.annotations.labels import LABELS
from pneumonia.outputs import replaced_together
from pneumonia.preparation.cleaning.box_report import plot_box_places, plot_box_samples, summarize_boxes
from pneumonia.preparation.cleaning.population_report import known_facts, plot_population, summarize_population
from pneumonia.radiographs.caption import write_caption
from pneumonia.radiographs.read import read_radiograph

SAMPLES_PER_LABEL = 8
FILMS_PER_HISTOGRAM = 32  # per label: so many are decoded again, to show the greys before

# Okabe and Ito's colours, for all eyes. One serves twice: no source has both bacterial and opacity films.
_COLORS = dict(zip(LABELS, ["#0072b2", "#009e73", "#d55e00", "#e69f00", "#cc79a7", "#d55e00"], strict=True))


def write_report(
    films: pd.DataFrame,
    images: np.ndarray,
    rejected: pd.DataFrame,
    boxes: pd.DataFrame | None,
    copies: pd.DataFrame | None,
    raw: Path,
    report: Path,
) -> None:
    """Write `report/clean.json` and the figures in `report/clean`.

    These are `samples.png` and `histograms.png`; `population.png` where view, sex or age of any film is known;
    `boxes.png` and `box_samples.png` where there are boxes; `near_duplicates.png` where copies were looked for. `films`
    are the rows of `index.csv`, `images` the packed films, `rejected` the rows of `rejected.csv`, `boxes` those of
    `boxes.csv`, `copies` those of `near_duplicates.csv`; the original films lie in `raw`.
    """
    numbers = summarize(films, rejected)
    with replaced_together(report) as [partial]:
        pictures = partial / "clean"
        pictures.mkdir()
        _save(_sample_sheet(films, images), pictures / "samples.png")
        _save(_histograms(films, images, raw), pictures / "histograms.png")
        if known_facts(films):
            numbers["population"] = summarize_population(films)
            _save(plot_population(films, _COLORS), pictures / "population.png")
        if boxes is not None and len(boxes):
            numbers["boxes"] = summarize_boxes(boxes, films, images.shape[1])
            _save(plot_box_places(boxes, films, images.shape[1]), pictures / "boxes.png")
            _save(plot_box_samples(boxes, films, images), pictures / "box_samples.png")
        if copies is not None:
            from pneumonia.preparation.cleaning.near_duplicates import plot_copies  # scikit-learn takes a second

            numbers["near_duplicates"] = _summary_of_copies(copies)
            _save(plot_copies(copies, films, images), pictures / "near_duplicates.png")
        (partial / "clean.json").write_text(json.dumps(numbers, indent=2) + "\n")


def summarize(films: pd.DataFrame, rejected: pd.DataFrame) -> dict[str, Any]:
    """The numbers for any source. Encodings are by split and label: a model can learn them in place of the label."""
    splits = films["official_split"].replace("", "none")
    return {
        "kept": _summary(films),
        "rejected": {
            "films": len(rejected),
            "by_reason": rejected["reason"].map(reason_kind).value_counts().sort_index().to_dict(),
        },
        "by_label": {str(label): _summary(group) for label, group in films.groupby("label")},
        "by_official_split": {
            str(split): {str(label): _summary(group) for label, group in of_split.groupby("label")}
            for split, of_split in films.groupby(splits)
        },
    }


def _summary_of_copies(copies: pd.DataFrame) -> dict[str, int]:
    return {
        "pairs": len(copies),
        "identical": int(copies["first"].isna().sum()),
        "of_two_patients": int((copies["first_patient"] != copies["second_patient"]).sum()),
        "of_two_labels": int((copies["first_label"] != copies["second_label"]).sum()),
    }


def reason_kind(reason: str) -> str:
    """The kind of a reason: `duplicate` for `duplicate: same pixels as ...`."""
    return reason.split(":")[0]


def _summary(films: pd.DataFrame) -> dict[str, Any]:
    quality = films["quality"].dropna()
    return {
        "films": len(films),
        "patients": int(films["patient"].nunique()),
        "width": _spread(films["width"]),
        "height": _spread(films["height"]),
        "format": films["format"].value_counts().sort_index().to_dict(),
        "mode": films["mode"].value_counts().sort_index().to_dict(),
        "jpeg_quality": _spread(quality) if len(quality) else None,
    }


def _spread(values: pd.Series) -> dict[str, float]:
    return {"min": int(values.min()), "median": float(values.median()), "max": int(values.max())}


def _labels_in(films: pd.DataFrame) -> list[str]:
    return [label for label in LABELS if (films["label"] == label).any()]


def _evenly(films: pd.DataFrame, label: str, number: int) -> list[int]:
    """Rows of at most `number` films of a label, spread evenly over all of them: the same for the same films."""
    rows = np.flatnonzero(films["label"] == label)
    return [int(row) for row in rows[np.linspace(0, len(rows) - 1, min(number, len(rows))).astype(int)]]


def _sample_sheet(films: pd.DataFrame, images: np.ndarray) -> Figure:
    labels = _labels_in(films)
    figure = Figure(figsize=(1.5 * SAMPLES_PER_LABEL, 1.75 * len(labels) + 0.3), layout="constrained")
    figure.suptitle(f"Packed films, {images.shape[1]} x {images.shape[2]} pixels")
    grid = figure.subplots(len(labels), SAMPLES_PER_LABEL, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for label, line in zip(labels, grid, strict=True):
        for row, axes in zip(_evenly(films, label, SAMPLES_PER_LABEL), line, strict=False):
            axes.imshow(images[row], cmap="gray", vmin=0, vmax=255)
            write_caption(axes, films.at[row, "file"], 20, fontsize=6, color="dimgray")
        line[0].text(
            -0.08,
            0.5,
            f"{label} ({(films['label'] == label).sum():,})",
            transform=line[0].transAxes,
            rotation=90,
            ha="right",
            va="center",
            color=_COLORS[label],
            weight="bold",
        )
    return figure


def _histograms(films: pd.DataFrame, images: np.ndarray, raw: Path) -> Figure:
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    (before, after), (sizes, qualities) = figure.subplots(2, 2)
    after.sharey(before)
    for label in _labels_in(films):
        rows = _evenly(films, label, FILMS_PER_HISTOGRAM)
        _plot_greys(before, [read_radiograph(raw / films.at[row, "file"]).pixels for row in rows], label)
        _plot_greys(after, [images[row] for row in rows], label)
        of_label = films[films["label"] == label]
        sizes.scatter(of_label["width"], of_label["height"], s=8, alpha=0.4, color=_COLORS[label], label=label)
        share = np.full(len(of_label), 100 / len(of_label))
        quality = of_label["quality"].fillna(0).astype(int)
        qualities.hist(quality, bins=np.arange(0, 106, 5), weights=share, histtype="step", color=_COLORS[label], lw=1.5)
    size = images.shape[1]
    sizes.plot(size, size, "k+", markersize=12, markeredgewidth=2, label="packed")
    before.set(title="Grey levels before (films as they came)", xlabel="grey level", ylabel="share of pixels, %")
    after.set(title=f"Grey levels after (packed at {size} x {size})", xlabel="grey level")
    sizes.set(title="Sizes before and after", xlabel="width, pixels", ylabel="height, pixels", xlim=0, ylim=0)
    qualities.set(title="JPEG quality before (0: not a JPEG)", xlabel="estimated quality", ylabel="share of films, %")
    for axes in (before, sizes):
        axes.legend(frameon=False)
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _plot_greys(axes: Axes, films: list[np.ndarray], label: str) -> None:
    """Plot the films' mean histogram: a large film counts no more than a small one. Greys are counted in pairs."""
    shares = [np.bincount(film.ravel(), minlength=256).reshape(128, 2).sum(axis=1) / film.size for film in films]
    axes.plot(np.arange(0, 256, 2), 100 * np.mean(shares, axis=0), color=_COLORS[label], label=label)


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=120, metadata={"Software": None})  # no version in it: the same films, the same bytes
