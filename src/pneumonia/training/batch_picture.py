"""A picture of what the network sees in training."""

import keras
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pneumonia.models.shared.head import find_head
from pneumonia.params.load import Params
from pneumonia.training.augmentation import Augment
from pneumonia.training.batches import TrainingBatches
from pneumonia.training.box_targets import BoxTargets

ROWS, COLUMNS = 3, 6


def plot_batch(params: Params, images: np.ndarray, rows: pd.DataFrame, boxes: list[np.ndarray] | None = None) -> Figure:
    """The first films of the first batch, blended and augmented as in training, with their targets and weights.

    `images` are the packed films, uint8 (N, S, S), `rows` those of `train.csv`. A localiser's `boxes`, float (K, 4) a
    film, are shown as the map that it learns.
    """
    head = find_head(params.model)
    box_targets = BoxTargets(boxes, head, images.shape[1]) if head and boxes else None
    inputs, target, weight = TrainingBatches(images, rows, params, boxes=box_targets)[0]
    shown = Augment(params.train.augmentation, params.seed)(**inputs, training=True)
    films = keras.ops.convert_to_numpy(shown)[..., 0]
    maps = target[..., 0] if box_targets else None
    if maps is not None:
        target = (maps.max(axis=(1, 2)) == 1).astype("float32")[:, None]
    names = params.classes
    shares = np.hstack([1 - target, target]) if target.shape[1] == 1 else target
    figure = Figure(figsize=(2 * COLUMNS, 2.35 * ROWS), layout="constrained")
    for axes in (grid := figure.subplots(ROWS, COLUMNS).ravel()):
        axes.axis("off")
    for number, (axes, film, share, each) in enumerate(zip(grid, films, shares, weight, strict=False)):
        axes.imshow(film, cmap="gray", vmin=0, vmax=255)
        if maps is not None:
            extent = (-0.5, film.shape[1] - 0.5, film.shape[0] - 0.5, -0.5)
            axes.imshow(maps[number], cmap="plasma", alpha=0.5 * (maps[number] > 0), vmin=0, vmax=1, extent=extent)
        held = {name: f"{held_share:.0%}" for name, held_share in zip(names, share, strict=True) if held_share > 0.005}
        title = ", ".join(f"{name} {percent}" for name, percent in held.items()) if len(held) > 1 else next(iter(held))
        axes.set_title(f"{title}\nweight {each:.2f}", fontsize=8)
    figure.suptitle(f"first batch as it is learnt from, task {params.task}, model {params.model}")
    return figure
