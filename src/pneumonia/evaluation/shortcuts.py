"""Does a model cheat? What is left of its score on films that have lost their lungs, or only their encoding."""

import io
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image, ImageFilter

from pneumonia.evaluation.bootstrap import intervals

LUNGS = (0.15, 0.90, 0.10, 0.90)
"""Top, bottom, left and right of the rectangle that is taken for the lungs, as shares of the film.

Frontal films are cut closely, so both lungs of almost all of them lie within; a rectangle needs no segmentation, which
would have to be trusted itself. Shoulders, abdomen and the sides of the chest remain."""
BORDER = 0.10
"""Of the film's side, on each side: what `only the border` keeps."""
WITHOUT_LUNGS = ("lungs blacked out", "lungs greyed out", "only the border")
"""In black and in grey, since a network answers to so much black too: what it still tells then may be hidden by it."""
SUSPICIOUS = 0.65
"""An AUC whose interval lies above this is more than age, posture and pose, which do show outside the lungs, explain
as a rule. Networks trained on Kermany's films keep 0.73 to 0.81 with the lungs greyed out (docs/results.md)."""


def _without_lungs(film: np.ndarray, grey: int) -> np.ndarray:
    altered, size = film.copy(), len(film)
    top, bottom, left, right = (round(share * size) for share in LUNGS)
    altered[top:bottom, left:right] = grey
    return altered


def _only_the_border(film: np.ndarray) -> np.ndarray:
    altered, width = film.copy(), max(1, round(BORDER * len(film)))
    altered[width:-width, width:-width] = 0
    return altered


def _compressed_again(film: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(film).save(buffer, format="JPEG", quality=50)
    return np.asarray(Image.open(buffer))


def _blurred(film: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(film).filter(ImageFilter.GaussianBlur(len(film) / 128)))


def _darker(film: np.ndarray) -> np.ndarray:
    return np.rint(255 * (film / 255) ** 1.3).astype(np.uint8)


def _cropped(film: np.ndarray) -> np.ndarray:
    size, cut = len(film), max(1, round(0.04 * len(film)))
    box = (cut, cut, size - cut, size - cut)
    return np.asarray(Image.fromarray(film).resize((size, size), Image.Resampling.BILINEAR, box=box))


ALTERATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as it is": lambda film: film,
    "lungs blacked out": partial(_without_lungs, grey=0),
    "lungs greyed out": partial(_without_lungs, grey=128),
    "only the border": _only_the_border,
    "compressed again": _compressed_again,  # JPEG quality 50
    "blurred": _blurred,  # Gaussian, a standard deviation of 1/128 of the side
    "darker": _darker,  # a gamma of 1.3
    "cropped": _cropped,  # by 4 % on each side
}
"""Each takes a film, uint8 (S, S), to an altered one."""


def shortcut_report(
    predict: Callable[[np.ndarray], np.ndarray], films: np.ndarray, sick: np.ndarray, patients: np.ndarray, draws: int
) -> pd.DataFrame:
    """What is left of a model's AUC on altered films, a row an alteration.

    `predict` takes films, uint8 (N, S, S), to probabilities of pneumonia, float (N,); `sick`, int (N,) of 0 and 1, is
    which of `films` show it. Columns: `films` (the alteration), `roc_auc` with its 95 % interval from `low` to `high`
    (see `bootstrap.intervals`), and `probability_change`, by how much a probability changes in the mean.
    """
    rows = []
    unaltered = predict(films)
    for name, alter in ALTERATIONS.items():
        probability = unaltered if name == "as it is" else predict(np.stack([alter(film) for film in films]))
        auc = intervals(sick, probability, probability >= 0.5, patients, draws).loc["roc_auc"]
        change = float(np.abs(probability - unaltered).mean())
        rows.append(
            {
                "films": name,
                "roc_auc": auc["value"],
                "low": auc["low"],
                "high": auc["high"],
                "probability_change": change,
            }
        )
    return pd.DataFrame(rows)


def findings(report: pd.DataFrame) -> list[str]:
    """A sentence for each way in which a score survives without the lungs (see `SUSPICIOUS`); empty for none."""
    tells = (report["low"] > SUSPICIOUS) | (report["high"] < 1 - SUSPICIOUS)  # ranked the wrong way round too
    left = report[report["films"].isin(WITHOUT_LUNGS) & tells]
    return [
        f"Shortcut: with {row.films} the model has an AUC of {row.roc_auc:.3f} ({row.low:.3f} to {row.high:.3f}) left; "
        f"part of its score may rest on something else than the lungs."
        for row in left.itertuples()
    ]


def plot_alterations(film: np.ndarray, report: pd.DataFrame) -> Figure:
    """One film, uint8 (S, S), in all alterations, each with its AUC in a `shortcut_report`."""
    figure = Figure(figsize=(2.1 * len(ALTERATIONS), 2.9), layout="constrained")
    for axes, (name, alter), row in zip(
        figure.subplots(1, len(ALTERATIONS)), ALTERATIONS.items(), report.itertuples(), strict=True
    ):
        axes.imshow(alter(film), cmap="gray", vmin=0, vmax=255)
        axes.set_title(f"{name}\nAUC {row.roc_auc:.3f}\n({row.low:.3f} to {row.high:.3f})", fontsize=10)
        axes.set_axis_off()
    return figure
