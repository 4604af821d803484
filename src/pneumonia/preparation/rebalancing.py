"""What an epoch draws from the training films when the classes are unequal."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from imblearn.over_sampling import RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from matplotlib.figure import Figure
from sklearn.utils.class_weight import compute_sample_weight

from pneumonia.errors import UserError, few
from pneumonia.outputs import whole_file
from pneumonia.params.load import Params

COLUMNS = ["image", "file", "label", "class", "draws", "augment", "weight"]


def rebalance(params: Params, split: Path, out: Path, plot: Path) -> None:
    """Write `out`, the rows that an epoch draws, and `plot`, the classes before and after.

    A row is an `image` (its row in `images.npy`) with its number of `draws` in an epoch, whether these draws are
    repeats to `augment`, and the `weight` of each in the loss.
    """
    method = params.rebalance.method
    films = pd.read_csv(split, dtype={"patient": str}, keep_default_na=False)
    films = films[films["part"] == "train"].reset_index(drop=True)
    rows = draw_rows(films, method, params.seed, params.rebalance.by)
    if params.rebalance.by == "site_and_class" and (empty := empty_cells(films)):
        told = f"no training films of {few(empty)}: there the site still tells something of the class"
        print(f"warning: {told}", file=sys.stderr)
    with whole_file(out) as table:
        rows[COLUMNS].to_csv(table, index=False)
        with whole_file(plot) as picture:
            plot_classes(films, rows, method).savefig(picture, dpi=100)


def draw_rows(films: pd.DataFrame, method: str, seed: int, by: str = "class") -> pd.DataFrame:
    """The rows to draw from the training `films`, which have a `class` each; columns as in `rebalance`.

    `by` says what counts alike after it: the classes, or each class in each `site`.

    Raises:
        UserError: the films are to be rebalanced by sites, and none are known.
    """
    if by == "site_and_class" and "site" not in films:
        raise UserError(f"rebalance.by is {by}; it should be class for films of which no site is known")
    kinds = films["class"] if by == "class" else films["site"] + "/" + films["class"]
    rows = films.assign(draws=1, augment=False, weight=1.0)
    if method == "class_weight":
        return rows.assign(weight=compute_sample_weight("balanced", kinds))
    if method in ("oversample", "augment"):
        sampler = RandomOverSampler(random_state=seed)
    elif method == "undersample":
        sampler = RandomUnderSampler(random_state=seed)
    else:
        return rows
    sampler.fit_resample(films.index.to_numpy().reshape(-1, 1), kinds)
    draws = np.bincount(sampler.sample_indices_, minlength=len(films))
    if method == "augment":
        repeats = rows.assign(draws=draws - 1, augment=True)
        return pd.concat([rows, repeats[repeats["draws"] > 0]], ignore_index=True)
    return rows.assign(draws=draws)[draws > 0].reset_index(drop=True)


def empty_cells(films: pd.DataFrame) -> list[str]:
    """The sites without a training film of a class, each as `site/class`: no weight makes up for what is not there."""
    counts = films.groupby(["site", "class"]).size().unstack(fill_value=0).stack()
    return [f"{site}/{name}" for (site, name), count in counts.items() if count == 0]


def plot_classes(films: pd.DataFrame, rows: pd.DataFrame, method: str) -> Figure:
    """Bars of the films before and of the weighted draws after, stacked by the films' finest labels."""
    before = films.groupby(["class", "label"]).size().unstack(fill_value=0)
    after = (rows["draws"] * rows["weight"]).groupby([rows["class"], rows["label"]]).sum().unstack(fill_value=0)
    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, table, title in zip(
        figure.subplots(1, 2, sharey=True),
        (before, after),
        ("Training films", f"An epoch after '{method}'"),
        strict=True,
    ):
        bottom = np.zeros(len(table))
        for label in table.columns:
            axes.bar(table.index, table[label], bottom=bottom, label=label)
            bottom += table[label].to_numpy()
        for position, total in enumerate(bottom):
            axes.text(position, total, f"{total:.0f}", ha="center", va="bottom")
        axes.set_title(title)
        axes.margins(y=0.1)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("films")
    figure.axes[1].set_ylabel("draws × weight in the loss")
    figure.axes[1].legend(title="label")
    return figure
