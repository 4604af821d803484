"""The films of a part and what the network says of them, which all of the evaluation is about."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from pneumonia.calibration import fit_temperature, scale
from pneumonia.dataset import FilmBatches, read_part
from pneumonia.decision import probability_of_pneumonia
from pneumonia.evaluation.operating_point import Scored
from pneumonia.labels import count_healthy

PARTS = ("val", "test")


@dataclass(frozen=True)
class Part:
    """The films of a part: their table, classes int64 (N,) of which the first `healthy` are without pneumonia, and the
    network's probabilities, float (N, C).
    """

    films: pd.DataFrame
    healthy: int
    truth: np.ndarray
    uncalibrated: np.ndarray
    probabilities: np.ndarray

    @property
    def sick(self) -> np.ndarray:
        """Which films show pneumonia of any kind, int64 (N,)."""
        return (self.truth >= self.healthy).astype(int)

    @property
    def probability(self) -> np.ndarray:
        """The calibrated probability of pneumonia, float (N,)."""
        return probability_of_pneumonia(self.probabilities, self.healthy)

    @property
    def scored(self) -> Scored:
        """The films as an operating point is chosen on them."""
        return Scored(self.sick, self.probability, self.films["patient"].to_numpy(str))


def probabilities_of(model: keras.Model, images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The network's probabilities, float64 (N, C), of films `rows` of `images`: of two classes both."""
    predicted = np.asarray(model.predict(FilmBatches(images, rows), verbose=0), "float64")
    return np.hstack([1 - predicted, predicted]) if predicted.shape[1] == 1 else predicted


def predict_parts(
    model: keras.Model, images: np.ndarray, split: Path, names: list[str]
) -> tuple[dict[str, Part], float]:
    """The parts in `split`, of films of the classes `names`, and the temperature, fitted on the first part."""
    read = {part: read_part(split, part, names) for part in PARTS}
    raw = {part: probabilities_of(model, images, rows) for part, (rows, _, _) in read.items()}
    temperature = fit_temperature(read["val"][1], raw["val"])
    parts = {
        part: Part(films, count_healthy(names), truth, raw[part], scale(raw[part], temperature))
        for part, (_, truth, films) in read.items()
    }
    return parts, temperature


def intervals_of(part: Part, name: str, figures: Callable[[np.ndarray], pd.DataFrame]) -> pd.DataFrame:
    """The `figures` of a part, a row each: `figure`, `value`, `low` and `high` by patient and by image, `part`.

    They are asked for with the groups of films that are drawn together, str (N,).
    """
    by_patient, by_image = (figures(part.films[column].to_numpy(str)) for column in ("patient", "file"))
    ends = by_image[["low", "high"]].add_suffix("_by_image")
    return by_patient.join(ends).rename_axis("figure").reset_index().assign(part=name)
