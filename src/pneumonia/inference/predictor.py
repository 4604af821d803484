"""A trained network in use: films go in as they came, predictions come out."""

import json
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from pneumonia.annotations.boxes import rescale
from pneumonia.errors import UserError
from pneumonia.inference.decision import UNCERTAIN, Decision, Localization
from pneumonia.inference.familiarity import Familiarity
from pneumonia.inference.keras_file import KerasFile
from pneumonia.inference.network import BATCH, Network
from pneumonia.inference.probabilities import predict_classes, probability_of_pneumonia, scale
from pneumonia.models.shared.head import head_of
from pneumonia.radiographs.radiograph import Radiograph, UnreadableRadiograph
from pneumonia.radiographs.read import read_radiograph, refuse_unusable, resize

if TYPE_CHECKING:
    import keras

MAX_BYTES = 50_000_000
"""The most for a film that comes over HTTP: the largest detectors give 38 million uncompressed."""

KERAS_MODEL, DECISION, FAMILIARITY = "model.keras", "decision.json", "familiarity.npz"
FILES = (KERAS_MODEL, DECISION, FAMILIARITY)
"""The files in a directory that a `Predictor` is loaded from."""
TWIN = "model.onnx"
"""The network's twin (see `twin`), which answers in its place where it is there too."""

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
    """The likeliest class with pneumonia if `probability` reaches `threshold`, else the likeliest without; `uncertain`
    where the decision says not to answer."""
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
    uncertain: tuple[float, float] | None = None
    """From and up to which probability a film is uncertain; None where the decision has every film answered."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A film as the network takes it."""

    image: np.ndarray
    """uint8 (S, S)."""
    shape: tuple[int, int]
    """Height and width of the film as it came, in pixels."""
    remark: str


@dataclass(frozen=True, eq=False)
class Preparation:
    """How a film is prepared: small, so that it can be sent to where the films are read."""

    image_size: int
    min_size: int
    familiarity: Familiarity

    def __call__(self, film: Radiograph) -> Prepared:
        """The film packed.

        Raises:
            UnreadableRadiograph: a film that `clean` would reject.
        """
        refuse_unusable(film, self.min_size)
        return Prepared(resize(film.pixels, self.image_size), film.pixels.shape, self.familiarity.remark(film))

    def read(self, source: Path | bytes) -> Prepared | UnreadableRadiograph:
        """The film in a file, or in its bytes; the reason where it gives none."""
        try:
            return self(read_radiograph(source))
        except UnreadableRadiograph as error:
            return error


class Predictor:
    """A network with what is needed to use it. Keras is imported only where there is no twin, or for `keras_model`."""

    def __init__(
        self,
        network: Network,
        decision: Decision,
        familiarity: Familiarity,
        keras_model: "Callable[[], keras.Model]",
    ) -> None:
        """`keras_model` gives the network in Keras, for Grad-CAM, and may take seconds the first time."""
        self.network, self.decision, self.keras_model = network, decision, keras_model
        self.prepare = Preparation(decision.image_size, decision.min_size, familiarity)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Load `FILES` from `directory`, with the `TWIN` in place of the Keras model if it is there.

        What the decision has for its users is told on stderr.

        Raises:
            UserError: one is missing or damaged, or the network is not one that the decision is about.
        """
        decision, familiarity = Decision.load(directory / DECISION), Familiarity.load(directory / FAMILIARITY)
        keras_file = KerasFile(directory / KERAS_MODEL)
        has_twin = (directory / TWIN).is_file()
        path = directory / (TWIN if has_twin else KERAS_MODEL)
        network = _onnx_network(path) if has_twin else _keras_network(keras_file.model())
        size, outputs = decision.image_size, 1 if len(decision.classes) == 2 else len(decision.classes)
        *maps, given = network.output_shapes
        if (network.film_shape, given) != ((size, size, 1), (outputs,)):
            raise UserError(
                f"{path}: takes {network.film_shape} and gives {given}, "
                f"{DECISION} is for {(size, size, 1)} and {(outputs,)}"
            )
        if len(maps) != (decision.localization is not None):
            raise UserError(f"{path}: gives {len(maps)} maps, {DECISION} is for task {decision.task}")
        if decision.notice:
            print(decision.notice, file=sys.stderr)
        return cls(network, decision, familiarity, keras_file.model)

    def at(self, site: str) -> Self:
        """The predictor with the same network that decides for films of `site`.

        Raises:
            UserError: there is no decision for it.
        """
        return type(self)(self.network, self.decision.at(site), self.prepare.familiarity, self.keras_model)

    def predict_films(self, films: Sequence[Radiograph]) -> list[Prediction]:
        """The predictions for decoded films, in their order.

        Raises:
            UnreadableRadiograph: a film that `clean` would reject.
        """
        prepared = [self.prepare(film) for film in films]
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
        first = list(islice(remaining, 2))
        if len(first) == 1:  # to start threads for it would take as long as the network
            yield from self._answers([self.prepare.read(first[0])])
            return
        remaining = chain(first, remaining)
        batches = iter(lambda: list(islice(remaining, BATCH)), [])
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            ahead = deque(threads.map(self.prepare.read, batch) for batch in islice(batches, BATCHES_AHEAD))
            while ahead:
                read = list(ahead.popleft())
                ahead.extend(threads.map(self.prepare.read, batch) for batch in islice(batches, 1))
                yield from self._answers(read)

    def predict_read(
        self, read: Iterable[Prepared | UnreadableRadiograph]
    ) -> Iterator[Prediction | UnreadableRadiograph]:
        """Yield what `predict_files` does, for what `prepare.read` gave, wherever that was."""
        remaining = iter(read)
        while batch := list(islice(remaining, BATCH)):
            yield from self._answers(batch)

    def _answers(self, read: list[Prepared | UnreadableRadiograph]) -> Iterator[Prediction | UnreadableRadiograph]:
        predictions = iter(self._predict_prepared([film for film in read if isinstance(film, Prepared)]))
        return (next(predictions) if isinstance(film, Prepared) else film for film in read)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """The calibrated probabilities, float64 (N, C), for packed films, uint8 (N, S, S), 32 at the most."""
        return self._run(images)[0]

    def _run(self, images: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """The `probabilities` and, from a localiser, the map of each film, float32 (s, s, C)."""
        *maps, raw = self.network(images[..., None])
        probabilities = scale(np.hstack([1 - raw, raw]) if raw.shape[1] == 1 else raw, self.decision.temperature)
        return probabilities, list(maps[0]) if maps else []

    def _predict_prepared(self, films: list[Prepared]) -> list[Prediction]:
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
        classes, threshold, abstention = self.decision.classes, self.decision.threshold, self.decision.abstention
        [number] = predict_classes(row[None], threshold, self.decision.healthy)
        [probability] = probability_of_pneumonia(row[None], self.decision.healthy).tolist()
        answered = abstention is None or not abstention.is_uncertain(probability, remark)
        return Prediction(
            classes[number] if answered else UNCERTAIN,
            probability,
            dict(zip(classes, row.tolist(), strict=True)),
            threshold,
            remark,
            uncertain=(abstention.low, abstention.high) if abstention else None,
        )


def _onnx_network(path: Path) -> Network:
    from pneumonia.inference.onnx_network import OnnxNetwork

    return OnnxNetwork(path)


def _keras_network(model: "keras.Model") -> Network:
    from pneumonia.inference.keras_network import KerasNetwork

    return KerasNetwork(model)
