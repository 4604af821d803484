"""Pictures of a localiser: its boxes on films, its FROC, and what its postprocessing was tuned on."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pneumonia.evaluation.boxes.rsna_metric import film_score
from pneumonia.inference.postprocessing import Postprocessing
from pneumonia.radiographs.caption import write_caption

WITH_OPACITY, FALSE_ALARMS = 8, 4
COLUMNS = 4
TRUE, PREDICTED = "red", "dodgerblue"
BEHIND = {"facecolor": "black", "alpha": 0.5, "linewidth": 0, "pad": 1}
"""What makes a confidence legible on a bright film."""


def choose_films(truths: Sequence[np.ndarray], shown: Sequence[np.ndarray]) -> list[int]:
    """The numbers of films that fairly picture what is `shown`, float (K, 5) each, beside `truths`, (T, 4) each.

    They are `WITH_OPACITY` films with true boxes, from the best score to the worst at equal steps, and `FALSE_ALARMS`
    films without, those with the surest box.
    """
    scores = np.array([film_score(*pair) for pair in zip(truths, shown, strict=True)])
    sick = np.flatnonzero([len(truth) > 0 for truth in truths])
    best_first = sick[np.argsort(-scores[sick], kind="stable")]
    steps = np.linspace(0, len(best_first) - 1, min(WITH_OPACITY, len(best_first))).round().astype(int)
    alarms = [n for n, (truth, boxes) in enumerate(zip(truths, shown, strict=True)) if len(boxes) and not len(truth)]
    alarms.sort(key=lambda n: -shown[n][:, 4].max())
    return [*best_first[steps].tolist(), *alarms[:FALSE_ALARMS]]


def plot_found_boxes(
    images: np.ndarray, films: pd.DataFrame, truths: Sequence[np.ndarray], shown: Sequence[np.ndarray]
) -> Figure:
    """The films that `choose_films` chooses of `films`, rows of predictions: true boxes red, predicted ones blue.

    `images`, uint8 (N, S, S), are all packed films; the boxes are in their pixels.
    """
    chosen = choose_films(truths, shown)
    rows = -(-len(chosen) // COLUMNS)
    figure = Figure(figsize=(3.2 * COLUMNS, 3.4 * rows), layout="constrained")
    all_axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in all_axes:
        axes.set_axis_off()
    for axes, number in zip(all_axes, chosen, strict=False):
        axes.imshow(images[films["image"].iloc[number]], cmap="gray", vmin=0, vmax=255)
        _draw(axes, truths[number], TRUE)
        _draw(axes, shown[number], PREDICTED)
        for x, y, _, _, confidence in shown[number]:
            axes.text(x, y, f"{confidence:.2f}", color="white", fontsize=8, va="bottom", bbox=BEHIND)
        score = f"score {film_score(truths[number], shown[number]):.2f}" if len(truths[number]) else "false alarm"
        write_caption(axes, films["file"].iloc[number], 24, score, fontsize=8)
    figure.suptitle(
        "true boxes red, predicted ones blue with their confidence: test films with an opacity, from the best score to "
        "the worst at equal steps;\nthen, of those without, the surest false alarms"
    )
    return figure


def plot_froc(intervals: pd.DataFrame, difference: pd.DataFrame) -> Figure:
    """Sensitivity on the test films by false positives a film, of the model with its intervals and of the baselines.

    `intervals` and `difference` are those of `box_evaluation.BoxEvaluation`.
    """
    mine, theirs = (
        table[(table["part"] == "test") & table["metric"].str.startswith("boxes/froc/")]
        for table in (intervals, difference)
    )
    rates = mine["metric"].str.rpartition("/")[2].astype(float)
    figure = Figure(figsize=(5.5, 4.2), layout="constrained")
    axes = figure.subplots()
    spread = np.abs(mine[["low", "high"]].to_numpy().T - mine["value"].to_numpy())
    axes.errorbar(rates, mine["value"], spread, marker="o", capsize=3, label="model, with its 95 % interval")
    for (baseline, rows), style in zip(theirs.groupby("against", sort=False), ("--", ":"), strict=True):
        axes.plot(rates, rows["baseline"], marker="o", color="grey", linestyle=style, label=baseline)
    axes.set_xscale("log", base=2)
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
    axes.set(title="FROC of the test films", ylim=(0, 1.01))
    axes.set(xlabel="false positives a film, at most", ylabel="share of true boxes found")
    figure.legend(frameon=False, loc="outside lower center", ncols=1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.2)
    return figure


def plot_tuning(tuning: pd.DataFrame, chosen: Postprocessing) -> Figure:
    """The score of the validation films by threshold, a line for each share that boxes are shrunk to.

    `tuning` is the table of `tuning.tune`; its rows at the suppression that was `chosen` are shown.
    """
    figure = Figure(figsize=(5.5, 4.2), layout="constrained")
    axes = figure.subplots()
    for shrink, rows in tuning[tuning["nms_iou"] == chosen.nms_iou].groupby("shrink"):
        axes.plot(rows["threshold"], rows["score"], label=f"boxes of {shrink:.0%} their size")
    axes.axvline(chosen.threshold, color="grey", linewidth=0.8, linestyle="--")
    axes.set(title=f"validation films, suppression at an IoU of {chosen.nms_iou:g}")
    axes.set(xlabel="confidence from which a box is shown", ylabel="mean average precision")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.2)
    return figure


def _draw(axes: Axes, boxes: np.ndarray, colour: str) -> None:
    for x, y, width, height in boxes[:, :4]:
        # `imshow` puts the centre of pixel k at k, but a box lies between edges of pixels.
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), width, height, fill=False, color=colour, linewidth=1.5))
