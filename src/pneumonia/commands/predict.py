"""What `pneumonia predict` does: a registered model's predictions for films in files and folders."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from pneumonia.commands.places import films_in
from pneumonia.commands.prediction_rows import COLUMNS, Format, Row, writing_rows
from pneumonia.errors import UserError
from pneumonia.names import spell, unlike, utf8
from pneumonia.outputs import whole_file
from pneumonia.radiographs.radiograph import UnreadableRadiograph

if TYPE_CHECKING:
    from pneumonia.inference.predictor import Detection, Prediction, Predictor
    from pneumonia.params.stages import Compute


def write_predictions(
    places: Sequence[Path],
    model: AbstractContextManager[tuple[Path, str]],
    overlays: Path | None,
    form: Format,
    output: Path | None,
    scheduler: str = "local",
    site: str | None = None,
) -> int:
    """Write a row of `COLUMNS` for each film in `places`, files or folders; return how many rows have a `reason`.

    That is why a film cannot be used, and has no prediction, or why its picture could not be written. `model` gives
    a directory with the files of a classifier (see `predictor.FILES`), and its version. A localiser's rows have `boxes`
    too, in a table their number. Where `scheduler` is a Dask scheduler, its workers read the films; the network runs
    here. The folder `overlays`, if given, gets a picture of what each prediction rests on: a
    localiser's boxes, or else the heat of Grad-CAM. Without `output` the rows go to stdout. They are written as they
    come (see `prediction_rows`). With a `site` its decision is used, where the version has one for it.

    Raises:
        UserError: a folder without films, a model that cannot be had, or a place that cannot be written to.
    """
    cluster = _cluster(scheduler)
    files = films_in(places, without=overlays)
    if output and output.is_dir():
        raise UserError(f"output {output} is a folder; it may be a file")
    for directory in [overlays, output.parent if output else None]:
        if directory:
            _make_directory(directory)
    with model as (directory, version):
        # Here, since it takes time that a mistake above need not wait for.
        from pneumonia.inference.predictor import Prediction, Predictor

        predictor = Predictor.load(directory)
        predictor = predictor.at(site) if site else predictor
        if overlays and predictor.decision.localization is None:
            predictor.keras_model()  # what is wrong with it is told before the first film, and not in each row
        columns = COLUMNS + ["boxes"] * (predictor.decision.localization is not None)
        names, pictures, unusable = spell(map(str, files), utf8), _picture_names(files), 0
        # Rows that go to a terminal show by themselves how far it is.
        rows_are_seen = output is None and sys.stdout.isatty()
        progress = tqdm(files, unit=" films", file=sys.stderr, disable=rows_are_seen or cluster is not None)
        predictions = zip(progress, pictures, _predictions(predictor, files, cluster), strict=True)
        # The bar ends its line before a mistake is told.
        with progress, writing_rows(output, form, columns, [names[str(file)] for file in files]) as write:
            for file, picture, prediction in predictions:
                row: Row = {"file": names[str(file)], "model_version": version}
                if isinstance(prediction, Prediction):
                    row |= _said(prediction, form)
                    if overlays and (why := _write_overlay(predictor, prediction, file, overlays / picture)):
                        row["reason"] = why
                else:
                    row["reason"] = str(prediction)
                unusable += "reason" in row
                write(row)
    return unusable


def _predictions(
    predictor: "Predictor", files: Sequence[Path], cluster: "Compute | None"
) -> "Iterator[Prediction | UnreadableRadiograph]":
    if cluster is None:
        return predictor.predict_files(files)
    from pneumonia.workers import parallel_map

    places = [Path(os.path.abspath(file)) for file in files]  # workers have a working directory of their own
    return predictor.predict_read(parallel_map(predictor.prepare.read, places, cluster, "reading films"))


def _cluster(scheduler: str) -> "Compute | None":
    if scheduler == "local":
        return None
    from pydantic import ValidationError

    from pneumonia.params.stages import Compute

    try:
        return Compute(scheduler=scheduler, workers=-1)
    except ValidationError as error:
        raise UserError(f"--scheduler {error.errors()[0]['ctx']['error']}") from None


def _said(prediction: "Prediction", form: Format) -> Row:
    """The columns that a prediction fills."""
    row: Row = {name: getattr(prediction, name) for name in ("label", "probability", "threshold", "remark")}
    return row if prediction.boxes is None else {**row, "boxes": _written(prediction.boxes, form)}


def _picture_names(files: Sequence[Path]) -> list[str]:
    """A path for each film's picture, no two alike: as the films lie to each other by the paths that were given."""
    given = [Path(os.path.abspath(file)) for file in files]
    shared = os.path.commonpath([file.parent for file in given])
    names: dict[str, None] = {}
    for file in given:
        names[unlike(f"{file.relative_to(shared)}.png", names)] = None
    return list(names)


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{directory}: cannot be made a folder ({error.strerror})") from error


def _write_overlay(predictor: "Predictor", prediction: "Prediction", file: Path, picture: Path) -> str | None:
    """Write the picture; the reason if it cannot be written, since no row may be lost for a picture."""
    from PIL import Image

    from pneumonia.inference.overlay import show_evidence
    from pneumonia.radiographs.read import read_radiograph

    try:
        film = read_radiograph(file).pixels
        with whole_file(picture) as partial:
            Image.fromarray(show_evidence(predictor, prediction, film, film)).save(partial)
    except (OSError, UserError, UnreadableRadiograph) as error:
        return f"its picture cannot be written: {getattr(error, 'strerror', None) or error}"
    return None


def _written(boxes: "Sequence[Detection]", form: Format) -> object:
    from pneumonia.inference.predictor import boxes_as_json

    if form == "json":
        return [box._asdict() for box in boxes]
    return boxes_as_json(boxes) if form == "csv" else str(len(boxes))
