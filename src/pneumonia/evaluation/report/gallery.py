"""The surest errors of a classifier, with what it looked at."""

import keras
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pneumonia.annotations.labels import WITHOUT_PNEUMONIA
from pneumonia.inference.gradcam import grad_cam, lay_heat_over
from pneumonia.radiographs.caption import write_caption

SHOWN = 12
COLUMNS = 4


def surest_errors(films: pd.DataFrame) -> pd.DataFrame:
    """The rows of `predictions.csv` that are predicted wrong, the surest first, `SHOWN` at most.

    The surest are those whose probability of their true class is least.
    """
    wrong = films[films["class"] != films["predicted"]]
    of_truth = np.where(wrong["class"].isin(WITHOUT_PNEUMONIA), 1 - wrong["probability"], wrong["probability"])
    # For a sick film with the wrong subtype, what counts is how little was given to the right one.
    for name in wrong["class"].unique():
        if f"probability_{name}" in wrong:
            of_truth = np.where(wrong["class"] == name, wrong[f"probability_{name}"], of_truth)
    return wrong.iloc[np.argsort(of_truth, kind="stable")[:SHOWN]]


def plot_errors(network: keras.Model, images: np.ndarray, errors: pd.DataFrame, healthy: int) -> Figure:
    """The films in `errors` (see `surest_errors`), out of `images`, uint8 (N, S, S), each with its Grad-CAM beside it.

    The heat is the evidence for pneumonia, any class but the first `healthy` ones, whatever was predicted.
    """
    rows = max(1, -(-len(errors) // COLUMNS))
    figure = Figure(figsize=(4.4 * COLUMNS, 2.6 * rows), layout="constrained")
    if errors.empty:
        figure.text(0.5, 0.5, "no film was predicted wrong", ha="center", va="center", fontsize=14)
        return figure
    films = images[errors["image"].to_numpy()]
    heat = grad_cam(network, films[..., None], healthy=healthy)
    all_axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in all_axes:
        axes.set_axis_off()
    for axes, film, warmth, row in zip(all_axes, films, heat, errors.itertuples(), strict=False):
        plain = np.repeat(film[..., None], 3, axis=2)
        axes.imshow(np.concatenate([plain, lay_heat_over(film, warmth)], axis=1))
        write_caption(axes, row.file, 48, f"{row.label}, P(pneumonia) {row.probability:.2f}", fontsize=8)
    figure.suptitle(f"the surest of the errors: the film, and the evidence for pneumonia in it, {network.name}")
    return figure
