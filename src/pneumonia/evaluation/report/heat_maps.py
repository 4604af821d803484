"""Are a network's heat maps worth showing? Where there are boxes: two tables, and one line on what follows."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd

from pneumonia.evaluation.parts import Part
from pneumonia.evaluation.pointing import HEAT_MAP, guesses, hits, pointing_game
from pneumonia.evaluation.randomised_maps import FILMS, randomised_similarity
from pneumonia.evaluation.report.layout import Section
from pneumonia.inference.gradcam import grad_cam
from pneumonia.preparation.packed.films import read_boxes

POINTING, RANDOMISED = "heat_maps.csv", "heat_maps_randomised.csv"
LEAST = 10
"""Of fewer patients with boxes nothing is said."""
HARDLY_CHANGED = 0.5
"""From this rank correlation on, a map and that of a network with no trained weight left count as alike. It is half of
what two equal maps have; Adebayo et al. give no limit."""
AT_ONCE = 256


def write_heat_maps(
    network: keras.Model, images: np.ndarray, test: Part, train_rows: np.ndarray, data: Path, draws: int, folder: Path
) -> None:
    """Write `POINTING` and `RANDOMISED` into `folder`: of the test films with pneumonia and boxes in `data/clean`.

    Nothing is written where no such film, or none of the training films, `train_rows` of `images`, has boxes.
    """
    boxes = read_boxes(data / "clean")
    known = [boxes[row] for row in train_rows if len(boxes[row])]
    shown = test.films[(test.sick == 1) & [len(boxes[row]) > 0 for row in test.films["image"]]]
    if not known or shown.empty:
        return
    rows, size = shown["image"].to_numpy(), images.shape[1]
    truths = [boxes[row] for row in rows]
    hit = {HEAT_MAP: _hits_of(network, images, rows, truths, test.healthy)}
    for name, guess in guesses(known, size).items():
        hit[name] = hits(np.broadcast_to(guess, (len(rows), size, size)), truths)
    pointing_game(hit, shown["patient"].to_numpy(str), draws).to_csv(folder / POINTING, index=False)
    films = images[rows[np.linspace(0, len(rows) - 1, min(FILMS, len(rows))).astype(int)]][..., None]
    heat = grad_cam(network, films, healthy=test.healthy)
    randomised_similarity(network, films, heat, test.healthy).to_csv(folder / RANDOMISED, index=False)


def _hits_of(
    network: keras.Model, images: np.ndarray, rows: np.ndarray, boxes: list[np.ndarray], healthy: int
) -> np.ndarray:
    """The `hits`, float (N,), of the maps of films `rows`: some at a time, since all maps may not fit into memory."""
    found = []
    for start in range(0, len(rows), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        found.append(hits(grad_cam(network, images[rows[some]][..., None], healthy=healthy), boxes[some]))
    return np.concatenate(found)


def heat_map_sections(folder: Path) -> list[Section]:
    """What `write_heat_maps` wrote, if it did."""
    if not (folder / POINTING).is_file():
        return []
    pointing, randomised = pd.read_csv(folder / POINTING), pd.read_csv(folder / RANDOMISED)
    return [
        Section(
            "Are the heat maps worth showing?",
            what_follows(pointing, randomised),
            tables=[
                ("how often the hottest place lies in a box (Zhang et al. 2018)", pointing),
                ("rank correlation with the map of weights drawn anew from the output down (Adebayo et al. 2018)",
                 randomised),
            ],
        )
    ]  # fmt: skip


def what_follows(pointing: pd.DataFrame, randomised: pd.DataFrame) -> str:
    """What a `pointing_game` and a `randomised_similarity` say to one who looks at heat maps."""
    heat_map, others = pointing.iloc[0], pointing.iloc[1:]
    if heat_map["patients"] < LEAST:
        return (
            f"Test films of {heat_map['patients']} patients have boxes: too few to say what heat maps are worth. "
            "Do not read them as where the opacity is."
        )
    best = others.loc[others["hit"].idxmax()]
    said = (
        f"The hottest place lies in a box in {100 * heat_map['hit']:.0f} % ({100 * heat_map['low']:.0f} to "
        f"{100 * heat_map['high']:.0f}) of {heat_map['films']} test films; {best['pointed_by']} does in "
        f"{100 * best['hit']:.0f} %"
    )
    points = (others["more_low"] > 0).all()
    if points:
        said += ": the maps say more than where opacities usually are"
    else:
        worse = "worse" if (others["more_high"] < 0).any() else "no better"
        said += f": the maps point {worse} than one who has not seen the film"
    left = randomised.iloc[-1]["similarity"]
    learnt = left < HARDLY_CHANGED
    said += f". With all weights drawn anew, a map has a rank correlation of {left:.2f} with what it was: " + (
        "it depends on what the network learnt." if learnt else "it hardly depends on what the network learnt."
    )
    return said if points and learnt else f"{said} Do not read heat maps as where the opacity is."
