"""A trained network in use: films go in as they came, predictions come out."""

import json
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Self

import keras
import numpy as np

from pneumonia.annotations.boxes import rescale
from pneumonia.errors import UserError
from pneumonia.inference.decision import Decision, Localization
from pneumonia.inference.familiarity import Familiarity
from pneumonia.inference.probabilities import predict_classes, probability_of_pneumonia, scale
from pneumonia.models.shared.head import head_of
from pneumonia.models.shared.weights import read_network
from pneumonia.radiographs.radiograph import Radiograph, UnreadableRadiograph
from pneumonia.radiographs.read import read_radiograph, refuse_unusable, resize

FILES = ("model.keras", "decision.json", "familiarity.npz")
"""The files in a directory that a `Predictor` is loaded from."""

BATCH = 32
"""Films in a batch. A batch of fewer, but not of one, is padded to as many: Keras compiles anew for each new shape."""
BATCHES_AHEAD = 3


class Detection(NamedTuple):
    """A box around an opacity, in pixels of the film as it came, (x, y) its top left corner; confidence is 0 to 1."""

    x: float
    y: float
    width: float
    height: float
    confidence: float


def boxes_as_json(boxes: Sequence[Detection]) -> str:
    """The `boxes` as JSON: a list of objects with the fields of `Detection`."""
    return json.dumps([box._asdict() for box in boxes])


@dataclass(frozen=True)
class Prediction:
    """What the network predicts for a film."""

    label: str
    """The likeliest class with pneumonia if `probability` reaches `threshold`, else the likeliest without."""
    probability: float
    """The calibrated probability of pneumonia."""
    probabilities: dict[str, float]
    """The calibrated probability of each class."""
    threshold: float
    """The least `probability` with which the label is a class with pneumonia."""
    remark: str
    """Why the film is unlike the training films; empty if it is like them."""
    boxes: tuple[Detection, ...] | None = None
    """Where a localiser sees opacities, the most confident first; None from other networks."""


@dataclass(frozen=True, eq=False)
class _Prepared:
    image: np.ndarray
    """uint8 (S, S)."""
    shape: tuple[int, int]
    """Height and width of the film as it came, in pixels."""
    remark: str


class Predictor:
    """A network with what is needed to use it.

    `network` takes films (B, S, S, 1) and gives probabilities: (B, 1) of pneumonia, or (B, C) of the classes. A
    localiser gives a map (B, s, s, C) before them.
    """

    def __init__(self, network: keras.Model, decision: Decision, familiarity: Familiarity) -> None:
        self.network, self.decision, self.familiarity = network, decision, familiarity

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Load `FILES` from `directory`.

        Raises:
            UserError: one is missing or damaged, or the network is not one that the decision is about.
        """
        path = directory / FILES[0]
        decision, familiarity = Decision.load(directory / FILES[1]), Familiarity.load(directory / FILES[2])
        network = read_network(path)
        size, outputs = decision.image_size, 1 if len(decision.classes) == 2 else len(decision.classes)
        *maps, given = (tuple(output.shape[1:]) for output in network.outputs)
        if (network.input_shape[1:], given) != ((size, size, 1), (outputs,)):
            raise UserError(
                f"{path}: takes {network.input_shape[1:]} and gives {given}, "
                f"{FILES[1]} is for {(size, size, 1)} and {(outputs,)}"
            )
        if len(maps) != (decision.localization is not None):
            raise UserError(f"{path}: gives {len(maps)} maps, {FILES[1]} is for task {decision.task}")
        return cls(network, decision, familiarity)

    def predict_films(self, films: Sequence[Radiograph]) -> list[Prediction]:
        """The predictions for decoded films, in their order.

        Raises:
            UnreadableRadiograph: a film that `clean` would reject.
        """
        prepared = [self._prepare(film) for film in films]
        return [
            prediction
            for start in range(0, len(films), BATCH)
            for prediction in self._predict_prepared(prepared[start:][:BATCH])
        ]

    def predict_files(self, sources: Iterable[Path | bytes]) -> Iterator[Prediction | UnreadableRadiograph]:
        """Yield the prediction for each file, or for its bytes, in their order; the reason for one that gives no film.

        Threads decode a few batches ahead of the network, so any number of files will do.
        """
        remaining = iter(sources)
        batches = iter(lambda: list(islice(remaining, BATCH)), [])
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            ahead = deque(threads.map(self._read, batch) for batch in islice(batches, BATCHES_AHEAD))
            while ahead:
                read = list(ahead.popleft())
                ahead.extend(threads.map(self._read, batch) for batch in islice(batches, 1))
                predictions = iter(self._predict_prepared([film for film in read if isinstance(film, _Prepared)]))
                yield from (next(predictions) if isinstance(film, _Prepared) else film for film in read)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """The calibrated probabilities, float64 (N, C), for packed films, uint8 (N, S, S), 32 at the most."""
        return self._run(images)[0]

    def _run(self, images: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """The `probabilities` and, from a localiser, the map of each film, float32 (s, s, C)."""
        padding = BATCH - len(images) if len(images) > 1 else 0
        padded = np.pad(images, ((0, padding), (0, 0), (0, 0)))[..., None]
        # For one film, three times as fast as calling the network, which compiles nothing.
        outputs = keras.tree.flatten(self.network.predict_on_batch(padded))
        *maps, raw = (np.asarray(output)[: len(images)] for output in outputs)
        probabilities = scale(np.hstack([1 - raw, raw]) if raw.shape[1] == 1 else raw, self.decision.temperature)
        return probabilities, list(maps[0]) if maps else []

    def _read(self, source: Path | bytes) -> _Prepared | UnreadableRadiograph:
        try:
            return self._prepare(read_radiograph(source))
        except UnreadableRadiograph as error:
            return error

    def _prepare(self, film: Radiograph) -> _Prepared:
        refuse_unusable(film, self.decision.min_size)
        packed = resize(film.pixels, self.decision.image_size)
        return _Prepared(packed, film.pixels.shape, self.familiarity.remark(film))

    def _predict_prepared(self, films: list[_Prepared]) -> list[Prediction]:
        if not films:
            return []
        rows, maps = self._run(np.stack([film.image for film in films]))
        predictions = [self._prediction(row, film.remark) for row, film in zip(rows, films, strict=True)]
        if not (how := self.decision.localization):
            return predictions
        boxes = [self._locate(map_, film.shape, how) for map_, film in zip(maps, films, strict=True)]
        return [replace(prediction, boxes=found) for prediction, found in zip(predictions, boxes, strict=True)]

    def _locate(self, map_: np.ndarray, shape: tuple[int, int], how: Localization) -> tuple[Detection, ...]:
        """The boxes that a map, float32 (s, s, C), gives, in pixels of a film of `shape`, height and width."""
        size = self.decision.image_size
        detections = how.postprocessing.apply(head_of(how.head).decode(map_, size))
        return tuple(Detection(*row) for row in rescale(detections, (size, size), shape).round(4).tolist())

    def _prediction(self, row: np.ndarray, remark: str) -> Prediction:
        """The prediction for a film from `row`, its calibrated probabilities, (C,)."""
        classes, threshold = self.decision.classes, self.decision.threshold
        [number] = predict_classes(row[None], threshold, self.decision.healthy)
        [probability] = probability_of_pneumonia(row[None], self.decision.healthy).tolist()
        return Prediction(
            classes[number], probability, dict(zip(classes, row.tolist(), strict=True)), threshold, remark
        )
