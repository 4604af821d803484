"""What `pneumonia predict` does: a registered model's predictions for films in files and folders."""

import csv
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd
from tqdm import tqdm

from pneumonia.commands.places import films_in
from pneumonia.errors import UserError
from pneumonia.names import printable, spell, unlike, utf8
from pneumonia.outputs import whole_file
from pneumonia.radiographs.radiograph import UnreadableRadiograph
from pneumonia.registry.version_files import registered_model

if TYPE_CHECKING:
    from pneumonia.inference.predictor import Detection, Prediction, Predictor

COLUMNS = ["file", "label", "probability", "threshold", "model_version", "remark", "reason"]

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that a spreadsheet computes instead of showing it."""

Format = Literal["table", "csv", "json"]


def write_predictions(
    places: Sequence[Path], model: str, overlays: Path | None, form: Format, output: Path | None
) -> int:
    """Write a row of `COLUMNS` for each film in `places`, files or folders; return how many rows have a `reason`.

    That is why a film cannot be used, and has no prediction, or why its picture could not be written. `model` is a
    registered model's address. A localiser's rows have `boxes` too, in a table their number. The folder `overlays`, if
    given, gets a picture of what each prediction rests on: a localiser's boxes, or else the heat of Grad-CAM. Without
    `output` the rows go to stdout.

    Raises:
        UserError: a folder without films, a model that cannot be had, or a place that cannot be written to.
    """
    files = films_in(places, without=overlays)
    if output and output.is_dir():
        raise UserError(f"output {output} is a folder; it may be a file")
    for directory in [overlays, output.parent if output else None]:
        if directory:
            _make_directory(directory)
    with registered_model(model) as (directory, version):
        # Here, since Keras takes seconds that a mistake above need not wait for.
        from pneumonia.inference.predictor import Prediction, Predictor

        predictor = Predictor.load(directory)
        rows, written, pictures = [], spell(map(str, files), utf8), _picture_names(files)
        for file, picture, prediction in zip(
            tqdm(files, unit=" films", file=sys.stderr), pictures, predictor.predict_files(files), strict=True
        ):
            row: dict[str, object] = {"file": written[str(file)], "model_version": version}
            if isinstance(prediction, Prediction):
                row |= {name: getattr(prediction, name) for name in ("label", "probability", "threshold", "remark")}
                if prediction.boxes is not None:
                    row["boxes"] = _written(prediction.boxes, form)
                if overlays:
                    row["reason"] = _write_overlay(predictor, prediction, file, overlays / picture)
            else:
                row["reason"] = str(prediction)
            rows.append(row)
        columns = COLUMNS + ["boxes"] * (predictor.decision.localization is not None)
    table = pd.DataFrame(rows, columns=columns)
    _write(table, form, output)
    return int(table["reason"].notna().sum())


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


def _write(table: pd.DataFrame, form: Format, output: Path | None) -> None:
    if form == "csv":
        # Another path to the same file, which no spreadsheet takes for a formula. Python leaves a carriage return bare.
        files = table["file"].map(lambda file: f"./{file}" if file.startswith(FORMULA) else file)
        quoting = csv.QUOTE_NONNUMERIC if files.str.contains("\r").any() else csv.QUOTE_MINIMAL
        text = table.assign(file=files).to_csv(index=False, quoting=quoting)
    elif form == "json":
        rows = table.astype(object).where(table.notna(), None).to_dict("records")
        text = json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
    else:
        texts = table[["file", "reason"]].map(printable, na_action="ignore")
        text = table.assign(**texts).to_string(index=False, na_rep="", float_format="{:.4f}".format) + "\n"
    if output is None:
        sys.stdout.buffer.write(text.encode())  # in UTF-8 wherever it goes
        sys.stdout.flush()
        return
    with whole_file(output) as partial:
        partial.write_text(text, encoding="utf-8")
