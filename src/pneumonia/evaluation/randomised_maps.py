"""What is left of a heat map when the network's weights are drawn anew, layer by layer from the output down.

Cascading randomisation: Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018. A map that hardly changes shows
what is to be seen in the film, its edges say, and not what the network learnt.
"""

from collections.abc import Iterator

import keras
import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from pneumonia.inference.gradcam import grad_cam

FILMS, DRAWS = 20, 3
SHARES = (0.0, 1 / 3, 2 / 3, 1.0)
"""Of the layers with weights, those next to the output are drawn anew; of 0 it is the output alone."""


def randomised_similarity(network: keras.Model, films: np.ndarray, heat: np.ndarray, healthy: int) -> pd.DataFrame:
    """How like `heat`, float (N, S, S), the maps of `films`, uint8 (N, S, S, 1), by `network`, its later maps are.

    A row a depth, the output first: `layers` (how many are drawn anew) and `of` how many; `similarity`, Spearman's rank
    correlation of the two maps' pixels, the mean over films and `DRAWS` draws; `lowest` and `highest`, the means over
    films of the draws, since one draw of the weights is not like another. An empty map has nothing in common with any:
    0. The weights are those that each layer begins its training with. `network` stays as it was; the seeds of Keras,
    NumPy and Python are set.
    """
    depths = sorted({max(1, round(share * len(_layers(network)))) for share in SHARES})
    of_draws: dict[int, list[float]] = {depth: [] for depth in depths}
    for draw in range(DRAWS):
        for depth, randomised in cascade(network, depths, draw):
            drawn = grad_cam(randomised, films, healthy=healthy)
            of_draws[depth].append(float(np.mean([_similarity(*maps) for maps in zip(heat, drawn, strict=True)])))
    rows = [(depth, len(_layers(network)), np.mean(means), min(means), max(means)) for depth, means in of_draws.items()]
    return pd.DataFrame(rows, columns=["layers", "of", "similarity", "lowest", "highest"])


def cascade(network: keras.Model, depths: list[int], seed: int) -> Iterator[tuple[int, keras.Model]]:
    """A copy of `network` at each of `depths`, the deepest first, with so many layers next to the output drawn anew.

    It is one copy, which changes from one to the next: a layer that is new at two depths has the same weights in both.
    """
    keras.utils.set_random_seed(seed)
    copy = keras.models.clone_model(network)
    for depth in sorted(depths, reverse=True):
        kept = len(_layers(network)) - depth
        for trained, drawn in zip(_layers(network)[:kept], _layers(copy)[:kept], strict=True):
            drawn.set_weights(trained.get_weights())
        yield depth, copy


def _layers(network: keras.Model) -> list[keras.layers.Layer]:
    """Those with weights, from the film to the output."""
    return [layer for layer in network.layers if layer.weights]


def _similarity(heat: np.ndarray, other: np.ndarray) -> float:
    if np.ptp(heat) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(heat.ravel(), other.ravel()).statistic)
