"""A trained network in use: films as they are in, predictions out."""

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
from pneumonia.params.choices import network
from pneumonia.radiographs.radiograph import Radiograph, UnreadableRadiograph
from pneumonia.radiographs.read import read_radiograph, refuse_unusable, resize

FILES = ("model.keras", "decision.json", "familiarity.npz")
"""What a directory holds that a `Predictor` is loaded from."""

BATCH = 32
"""Films a call of the network, where there is more than one: always as many, since a new shape is compiled anew."""
BATCHES_AHEAD = 3


class Detection(NamedTuple):
    """Where an opacity is, in pixels of the film as it came, (x, y) the top left corner; confidence 0 to 1."""

    x: float
    y: float
    width: float
    height: float
    confidence: float


def boxes_as_json(boxes: Sequence[Detection]) -> str:
    """A list of objects with the fields of `Detection`."""
    return json.dumps([box._asdict() for box in boxes])


@dataclass(frozen=True)
class Prediction:
    """What the network says of a film."""

    label: str
    """One of the classes: below the threshold the likelier one without pneumonia, else the likelier one with it."""
    probability: float
    """Of pneumonia, calibrated."""
    probabilities: dict[str, float]
    """Of each class, calibrated."""
    threshold: float
    """From which `probability` on the label is one with pneumonia."""
    remark: str
    """Why the film is unlike the training films; empty when it is not."""
    boxes: tuple[Detection, ...] | None = None
    """Of a localiser: where it sees opacities, the most confident first."""


@dataclass(frozen=True, eq=False)
class _Prepared:
    image: np.ndarray
    """uint8 (S, S)."""
    shape: tuple[int, int]
    """Height and width, pixels, of the film as it came."""
    remark: str


class Predictor:
    """A network with what it takes to use it.

    `network` takes films (B, S, S, 1) and gives probabilities, (B, 1) of pneumonia or (B, C) of the classes; that of a
    localiser gives a map (B, s, s, C) before them.
    """

    def __init__(self, network: keras.Model, decision: Decision, familiarity: Familiarity) -> None:
        self.network, self.decision, self.familiarity = network, decision, familiarity

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Load `FILES`.

        Raises:
            UserError: one is missing or damaged, or the network is not one that the decision is about.
        """
        path = directory / FILES[0]
        decision, familiarity = Decision.load(directory / FILES[1]), Familiarity.load(directory / FILES[2])
        try:
            network = keras.saving.load_model(path, compile=False)
        except Exception as error:  # Keras raises anything, from ValueError to zipfile.BadZipFile
            raise UserError(f"{path}: cannot be loaded ({str(error).strip().partition(chr(10))[0]})") from error
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
        """The predictions for files, or for their bytes, in their order; for one that gives no film the reason.

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
        """Calibrated probabilities, float64 (N, C), of packed films, uint8 (N, S, S), 32 at the most."""
        return self._run(images)[0]

    def _run(self, images: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """The `probabilities`, and of a localiser the map of each film, float32 (s, s, C)."""
        padding = BATCH - len(images) if len(images) > 1 else 0
        padded = np.pad(images, ((0, padding), (0, 0), (0, 0)))[..., None]
        # Three times as fast for one film as calling the model, which compiles nothing.
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
        """The boxes of a map, float32 (s, s, C), in a film of this height and width."""
        size = self.decision.image_size
        detections = how.postprocessing.apply(network(how.head).HEAD.decode(map_, size))
        return tuple(Detection(*row) for row in rescale(detections, (size, size), shape).round(4).tolist())

    def _prediction(self, row: np.ndarray, remark: str) -> Prediction:
        """What calibrated probabilities, (C,), say of a film."""
        classes, threshold = self.decision.classes, self.decision.threshold
        [number] = predict_classes(row[None], threshold, self.decision.healthy)
        [probability] = probability_of_pneumonia(row[None], self.decision.healthy).tolist()
        return Prediction(
            classes[number], probability, dict(zip(classes, row.tolist(), strict=True)), threshold, remark
        )
