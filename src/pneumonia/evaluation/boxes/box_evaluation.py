"""How well a localiser finds opacities: boxes tuned on validation films, scored, and compared with an average box."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from pneumonia.annotations.boxes import rescale
from pneumonia.errors import UserError
from pneumonia.evaluation.boxes.baseline import average_box, average_box_of_each_lung, baseline_candidates
from pneumonia.evaluation.boxes.metrics import PLACE, Detections, localization_difference, localization_metrics
from pneumonia.evaluation.boxes.pictures import plot_found_boxes, plot_froc, plot_tuning
from pneumonia.evaluation.boxes.tuning import prevalence_weights, tune
from pneumonia.evaluation.parts import Part, intervals_of
from pneumonia.inference.decision import Localization
from pneumonia.inference.postprocessing import Postprocessing
from pneumonia.models.shared.head import head_of
from pneumonia.params.load import Params
from pneumonia.preparation.packed.films import FilmBatches, read_boxes, read_part

MEANS = {"the first is better": "the baseline is better", "the second is better": "the model is better"}


@dataclass(frozen=True, eq=False)
class Found:
    """What was found on the films of a part: `truths`, the true boxes, float (T, 4) in pixels of the packed films, and
    the detections of the `model` and of the `baselines`, by name.
    """

    part: Part
    truths: list[np.ndarray]
    model: Detections
    baselines: dict[str, Detections]


@dataclass(frozen=True, eq=False)
class BoxEvaluation:
    """How maps become boxes, the `tuning` tried for that, what was `found` on each part, the `intervals` of its
    metrics (see `parts.intervals_of`), and the model's paired `difference` from each baseline.
    """

    localization: Localization
    tuning: pd.DataFrame
    found: dict[str, Found]
    intervals: pd.DataFrame
    difference: pd.DataFrame

    def metrics(self, part: str) -> dict[str, float]:
        """The metrics of a part, for `metrics.json`."""
        rows = self.intervals[self.intervals["part"] == part].dropna(subset="value")
        return dict(zip(rows["metric"], rows["value"].tolist(), strict=True))


def evaluate_boxes(
    localiser: keras.Model, params: Params, parts: dict[str, Part], images: np.ndarray, data: Path
) -> BoxEvaluation:
    """Evaluate the boxes of `localiser` on the `parts`; the postprocessing is tuned on `val` alone.

    `localiser` gives a map and a probability for each of `images`, uint8 (N, S, S). For tuning, films are weighted as
    if opacities were as frequent as in train and val together, since val has equally many films of each class.

    Raises:
        UserError: no boxes to tune on, or none to average.
    """
    size, draws = images.shape[1], params.evaluate.draws
    boxes, decode = read_boxes(data / "clean"), head_of(params.model).decode
    truths = {name: [boxes[row] for row in part.films["image"]] for name, part in parts.items()}
    train, _, _ = read_part(data / "split.csv", "train", params.classes)
    known = [boxes[row] for row in train]
    if not sum(map(len, known)) or not sum(map(len, truths["val"])):
        raise UserError("there are no boxes on the training or on the validation films; the task localize needs both")
    prevalence = float(np.mean([len(each) > 0 for each in known + truths["val"]]))
    weights = prevalence_weights(truths["val"], prevalence)

    candidates = {name: _candidates(localiser, images, part, decode) for name, part in parts.items()}
    settings = params.localize
    chosen, tuning = tune(candidates["val"], truths["val"], settings.nms_iou, settings.shrink, weights)
    averages = {
        "one average box": average_box(known),
        "an average box in each lung": average_box_of_each_lung(known, size),
    }
    baselines: dict[str, dict[str, Detections]] = {name: {} for name in parts}
    for baseline, typical in averages.items():
        shown = {name: baseline_candidates(typical, part.probability) for name, part in parts.items()}
        tuned, _ = tune(shown["val"], truths["val"], nms_ious=[1], shrinks=[1], weights=weights)
        for name in parts:
            baselines[name][baseline] = _detect(shown[name], tuned)
    found = {
        name: Found(part, truths[name], _detect(candidates[name], chosen), baselines[name])
        for name, part in parts.items()
    }
    return BoxEvaluation(
        Localization(head=params.model, postprocessing=chosen),
        tuning,
        found,
        pd.concat(_intervals(each, name, size, draws) for name, each in found.items()),
        pd.concat(_difference(each, name, size, draws) for name, each in found.items()),
    )


def write_boxes(evaluation: BoxEvaluation, images: np.ndarray, data: Path, directory: Path) -> None:
    """Write tables and pictures into `directory`.

    `boxes.csv` has all detections, of any confidence, and whether they are `shown`; `true_boxes.csv` the true boxes;
    both in pixels of the films as they came.
    """
    index = pd.read_csv(data / "clean" / "index.csv", usecols=["height", "width"])
    shapes, size = index[["height", "width"]].to_numpy(), images.shape[1]
    tables: dict[str, list[pd.DataFrame]] = {"boxes": [], "true_boxes": []}
    for name, found in evaluation.found.items():
        films = found.part.films
        detected = _in_films(found.model.ranked, films, name, shapes, size)
        tables["boxes"].append(detected.assign(shown=detected["confidence"] >= found.model.threshold))
        tables["true_boxes"].append(_in_films(found.truths, films, name, shapes, size))
    for name, table in tables.items():
        pd.concat(table).to_csv(directory / f"{name}.csv", index=False)
    evaluation.tuning.to_csv(directory / "tuning.csv", index=False)
    evaluation.difference.to_csv(directory / "baselines.csv", index=False)
    test = evaluation.found["test"]
    pictures = {
        "boxes": plot_found_boxes(images, test.part.films, test.truths, test.model.shown()),
        "froc": plot_froc(evaluation.intervals, evaluation.difference),
        "tuning": plot_tuning(evaluation.tuning, evaluation.localization.postprocessing),
    }
    for name, picture in pictures.items():
        picture.savefig(directory / f"{name}.png", dpi=100)


def _candidates(
    localiser: keras.Model, images: np.ndarray, part: Part, decode: Callable[[np.ndarray, int], np.ndarray]
) -> list[np.ndarray]:
    """Each film's candidates, float (K, 5); a batch at a time: the maps of all films may not fit into memory."""
    batches = FilmBatches(images, part.films["image"].to_numpy())
    maps = (np.asarray(localiser.predict_on_batch(batches[number][0])[0]) for number in range(len(batches)))
    of_films = islice((each for batch in maps for each in batch), len(part.films))
    return [decode(each, images.shape[1]) for each in of_films]


def _detect(candidates: list[np.ndarray], postprocessing: Postprocessing) -> Detections:
    of_any_confidence = replace(postprocessing, threshold=0)
    return Detections([of_any_confidence.apply(each) for each in candidates], postprocessing.threshold)


def _intervals(found: Found, name: str, size: int, draws: int) -> pd.DataFrame:
    def table_by(groups: np.ndarray) -> pd.DataFrame:
        return localization_metrics(found.truths, found.model, size, groups, draws).add_prefix("boxes/", axis=0)

    return intervals_of(found.part, name, table_by)


def _difference(found: Found, name: str, size: int, draws: int) -> pd.DataFrame:
    patients = found.part.films["patient"].to_numpy(str)
    tables = []
    for baseline, detections in found.baselines.items():
        table = localization_difference(found.truths, detections, found.model, size, patients, draws)
        named = table.replace({"means": MEANS}).rename(columns={"first": "baseline", "second": "model"})
        rows = named.add_prefix("boxes/", axis=0).reset_index(names="metric")
        rows.insert(0, "against", baseline)
        tables.append(rows.assign(part=name))
    return pd.concat(tables)


def _in_films(
    boxes: Sequence[np.ndarray], films: pd.DataFrame, part: str, shapes: np.ndarray, size: int
) -> pd.DataFrame:
    """A row for each of the `boxes`, float (K, 4 or 5) of each of `films`, in pixels of the film as it came.

    `shapes`, int (N, 2), are height and width of all films, `size` is that of the packed ones.
    """
    columns = [*PLACE, "confidence"][: boxes[0].shape[1]]
    placed = [rescale(each, (size, size), tuple(shapes[row])) for each, row in zip(boxes, films["image"], strict=True)]
    table = pd.DataFrame(np.concatenate(placed), columns=columns).round(dict.fromkeys(PLACE, 2))
    table.insert(0, "file", np.repeat(films["file"].to_numpy(), [len(each) for each in boxes]))
    table.insert(1, "part", part)
    return table
