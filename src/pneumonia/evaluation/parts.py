"""The films of a part and what the network predicts for them; all of the evaluation works on these."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from pneumonia.annotations.labels import count_healthy
from pneumonia.evaluation.alterations import STRESSES, WITHOUT_LUNGS
from pneumonia.evaluation.calibration import fit_temperature
from pneumonia.evaluation.operating_point import Scored
from pneumonia.inference.probabilities import probability_of_pneumonia, scale
from pneumonia.preparation.packed.films import FilmBatches, read_part

PARTS = ("val", "test")


@dataclass(frozen=True)
class Part:
    """The films of a part: their table, and `truth`, their classes, int64 (N,); the first `healthy` classes are without
    pneumonia. `uncalibrated` and `probabilities`, float (N, C), are the network's before and after scaling. `altered`
    has the calibrated probability of pneumonia, float (N,), for each of `alterations.ALTERATIONS`.
    """

    films: pd.DataFrame
    healthy: int
    truth: np.ndarray
    uncalibrated: np.ndarray
    probabilities: np.ndarray
    altered: dict[str, np.ndarray]

    @property
    def sick(self) -> np.ndarray:
        """Which films show pneumonia of any subtype, int64 (N,)."""
        return (self.truth >= self.healthy).astype(int)

    @property
    def probability(self) -> np.ndarray:
        """The calibrated probability of pneumonia, float (N,)."""
        return probability_of_pneumonia(self.probabilities, self.healthy)

    @property
    def scored(self) -> Scored:
        """The films, as `operating_point` takes them."""
        return Scored(self.sick, self.probability, self.films["patient"].to_numpy(str))

    @property
    def stressed(self) -> Scored:
        """The films as they are and in each of `STRESSES`, which count as further films of the same patients."""
        kept = ["as it is", *STRESSES]
        probability = np.concatenate([self.altered[name] for name in kept])
        return Scored(np.tile(self.sick, len(kept)), probability, np.tile(self.scored.patients, len(kept)))


def classifier_in(model: keras.Model) -> keras.Model:
    """The network that gives a film's probabilities alone: `model`, or the classifier in a localiser."""
    return model if len(model.outputs) == 1 else keras.Model(model.inputs, model.outputs[-1], name=model.name)


def probabilities_of(model: keras.Model, images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The network's probabilities, float64 (N, C), for films `rows` of `images`; with two classes, of both."""
    predicted = np.asarray(model.predict(FilmBatches(images, rows), verbose=0), "float64")[: len(rows)]
    return np.hstack([1 - predicted, predicted]) if predicted.shape[1] == 1 else predicted


def predict_parts(
    model: keras.Model, images: np.ndarray, split: Path, names: list[str]
) -> tuple[dict[str, Part], float]:
    """The parts in `split`, whose films have the classes `names`, and the temperature, fitted on val."""
    healthy = count_healthy(names)
    read = {part: read_part(split, part, names) for part in PARTS}
    raw = {part: probabilities_of(model, images, rows) for part, (rows, _, _) in read.items()}
    temperature = fit_temperature(read["val"][1], raw["val"])

    def ask(films: np.ndarray) -> np.ndarray:
        return probabilities_of(model, films, np.arange(len(films)))

    parts = {}
    for part, (rows, truth, films) in read.items():
        altered = alter_and_ask(ask, images[rows], temperature, healthy)
        probabilities = scale(raw[part], temperature)
        altered = {"as it is": probability_of_pneumonia(probabilities, healthy)} | altered
        parts[part] = Part(films, healthy, truth, raw[part], probabilities, altered)
    return parts, temperature


def alter_and_ask(
    ask: Callable[[np.ndarray], np.ndarray], pixels: np.ndarray, temperature: float, healthy: int
) -> dict[str, np.ndarray]:
    """The probability of pneumonia, scaled, float (N,), of films, uint8 (N, S, S), for each alteration of them.

    `ask` gives a network's probabilities, float64 (N, C), for films, uint8 (N, S, S).
    """
    return {
        name: probability_of_pneumonia(scale(ask(np.stack([alter(film) for film in pixels])), temperature), healthy)
        for name, alter in (WITHOUT_LUNGS | STRESSES).items()
    }


def intervals_of(part: Part, name: str, metrics: Callable[[np.ndarray], pd.DataFrame]) -> pd.DataFrame:
    """A row for each metric of a part: `metric`, `value`, `low` and `high` by patient and `…_by_image`, and `part`.

    `metrics(groups)` gives them where films with the same of `groups`, str (N,), are drawn together.
    """
    by_patient, by_image = (metrics(part.films[column].to_numpy(str)) for column in ("patient", "file"))
    ends = by_image[["low", "high"]].add_suffix("_by_image")
    return by_patient.join(ends).rename_axis("metric").reset_index().assign(part=name)
