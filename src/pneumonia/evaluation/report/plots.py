"""Figures of the metrics, for the run and for `dvc plots`."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pneumonia.radiographs.caption import drawable


def plot_confusion(counts: np.ndarray, names: list[str], title: str) -> Figure:
    """The confusion matrix, int (C, C) with the true classes down, as counts and as shares of the true class."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(8.5, 4), layout="constrained")
    for axes, values, form, subtitle in zip(
        figure.subplots(1, 2), (counts, shares), ("{:d}", "{:.1%}"), ("films", "share of the true class"), strict=True
    ):
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(counts.shape):
            color = "white" if shares[row, column] > 0.5 else "black"
            text = form.format(values[row, column])
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=14)
        axes.set_xticks(range(len(names)), names)
        axes.set_yticks(range(len(names)), names, rotation=90, va="center")
        axes.set_xlabel("predicted")
        axes.set_title(subtitle)
    figure.axes[0].set_ylabel("true")
    figure.suptitle(title)
    return figure


def plot_curves(curves: dict[str, tuple[pd.DataFrame, pd.DataFrame]], name: str) -> Figure:
    """The ROC and the precision-recall curve of `name` against the rest, by part, with the areas under them."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for part, (roc, pr) in curves.items():
        area = np.trapezoid(roc["true_positive_rate"], roc["false_positive_rate"])
        average = -np.sum(np.diff(pr["recall"]) * pr["precision"][:-1])
        left.plot(roc["false_positive_rate"], roc["true_positive_rate"], label=f"{part}, AUC {area:.3f}")
        right.step(pr["recall"], pr["precision"], where="post", label=f"{part}, average {average:.3f}")
    left.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    figure.suptitle(f"{name} against the rest")
    left.set(title="ROC", xlabel="1 - specificity", ylabel="sensitivity", xlim=(-0.01, 1), ylim=(0, 1.01))
    right.set(title="Precision and recall", xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.01))
    for axes in (left, right):
        axes.legend(loc="lower center" if axes is right else "lower right", frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.2)
    return figure


def plot_history(history: pd.DataFrame, weights: str) -> Figure:
    """Loss, accuracy and AUC by epoch, in training and in validation, and the first `weights`."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, 3), ("loss", "accuracy", "auc"), strict=True):
        axes.plot(history["epoch"], history[name], label="training")
        axes.plot(history["epoch"], history[f"val_{name}"], label="validation")
        axes.set(title=name, xlabel="epoch")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.2)
    figure.axes[0].legend(frameon=False)
    figure.suptitle(drawable(f"first weights: {weights}"), parse_math=False)  # a path, where they are the user's
    return figure
