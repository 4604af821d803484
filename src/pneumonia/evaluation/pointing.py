"""Does a heat map point at the opacity? How often its hottest place lies in a box, and how often a guess would.

The pointing game: Zhang et al., Top-Down Neural Attention by Excitation Backprop, IJCV 2018; here without their
tolerance of 15 pixels. A map is stretched to the film by bilinear interpolation, as it is drawn. A film whose map has
several hottest pixels counts by the share of them that lies in a box, and one whose map is empty is missed.

Chest films are alike, so a guess that has not seen the film hits too: a map has to point better than that.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from pneumonia.annotations.boxes import paint
from pneumonia.evaluation.bootstrap import WeightedMetrics, paired_difference, with_intervals
from pneumonia.evaluation.boxes.baseline import average_box_of_each_lung

HEAT_MAP = "the heat map"
USUAL_PLACE = "the place that most training films have a box over"
EACH_LUNG = "the middle of an average box in each lung"
MEANS = {"the second is better": "the heat map hits more", "the first is better": "the heat map hits less"}


def hits(heat: np.ndarray, boxes: Sequence[np.ndarray]) -> np.ndarray:
    """Does the hottest place of each map lie in a box of its film? Float (N,), 0 to 1: see above for ties.

    `heat`, float (N, S, S), is 0 where there is no evidence; `boxes`, float (T, 4) a film, are in the same pixels.
    """
    size = heat.shape[1]
    return np.array(
        [paint(of_film, size)[each == each.max()].mean() if each.max() > 0 else 0.0
         for each, of_film in zip(heat, boxes, strict=True)]
    )  # fmt: skip


def guesses(boxes: Sequence[np.ndarray], size: int) -> dict[str, np.ndarray]:
    """By its name, the map, float (`size`, `size`), of each guess that knows training films and not the one it is for.

    `boxes`, float (T, 4) a film, are those of the training films, one at least. `EACH_LUNG` points at two places, which
    count half each: it cannot know which lung is ill.
    """
    usual = np.zeros((size, size))
    for of_film in boxes:
        usual += paint(of_film, size)
    each_lung = np.zeros((size, size))
    for x, y, width, height in average_box_of_each_lung(boxes, size):
        each_lung[int(y + height / 2), int(x + width / 2)] = 1
    return {USUAL_PLACE: usual, EACH_LUNG: each_lung}


def pointing_game(hit: dict[str, np.ndarray], patients: np.ndarray, draws: int) -> pd.DataFrame:
    """How often each of `hit`, `hits` of the same films by what pointed, `HEAT_MAP` first, hits; a row for each.

    Columns: `pointed_by`; `films` and `patients`; `hit`, the share, with its 95 % interval from `low` to `high`, by
    bootstrap over `patients`, str (N,). In the rows of guesses also by how much the heat map hits more,
    `heat_map_more`, its interval on the same draws from `more_low` to `more_high`, and what that `means`.
    """
    nothing = np.zeros(len(patients), int)
    rows = []
    for name, each in hit.items():
        own = with_intervals(partial(_share, each), patients, nothing, draws, seed=0).loc["hit"]
        row: dict[str, object] = {"pointed_by": name, "films": len(patients), "patients": len(set(patients))}
        row |= {"hit": own["value"], "low": own["low"], "high": own["high"]}
        if name != HEAT_MAP:
            difference = paired_difference(partial(_share, each), partial(_share, hit[HEAT_MAP]), patients, draws).loc[
                "hit"
            ]
            row |= {"heat_map_more": difference["difference"], "more_low": difference["low"]}
            row |= {"more_high": difference["high"], "means": MEANS.get(difference["means"], difference["means"])}
        rows.append(row)
    return pd.DataFrame(rows)


def _share(hit: np.ndarray, weights: np.ndarray) -> WeightedMetrics:
    return {"hit": weights @ hit / weights.sum(axis=1)}
