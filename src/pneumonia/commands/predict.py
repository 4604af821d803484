"""What `pneumonia predict` does: a registered model's predictions for films in files and folders."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd
from tqdm import tqdm

from pneumonia.errors import UserError
from pneumonia.outputs import whole_file
from pneumonia.registry.version_files import registered_model

if TYPE_CHECKING:
    from pneumonia.inference.predictor import Detection, Prediction, Predictor

SUFFIXES = (".dcm", ".dicom", ".jpeg", ".jpg", ".png")
"""The suffixes of the files that are taken from a folder, in small or capital letters."""
COLUMNS = ["file", "label", "probability", "threshold", "model_version", "remark", "reason"]

Format = Literal["table", "csv", "json"]


def write_predictions(
    places: Sequence[Path], model: str, overlays: Path | None, form: Format, output: Path | None
) -> int:
    """Write a row of `COLUMNS` for each film in `places`, files or folders; return how many films cannot be used.

    A film that cannot be used has a `reason` and no prediction. `model` is a registered model's address. A localiser's
    rows have `boxes` too, in a table their number. The folder `overlays`, if given, gets a picture of what each
    prediction rests on: a localiser's boxes, or else the heat of Grad-CAM. Without `output` the rows go to stdout.

    Raises:
        UserError: a folder without films, a model that cannot be had, or a place that cannot be written to.
    """
    files = find_films(places, without=overlays)
    if output and output.is_dir():
        raise UserError(f"output {output} is a folder; it may be a file")
    for directory in [overlays, output.parent if output else None]:
        if directory:
            _make_directory(directory)
    with registered_model(model) as (directory, version):
        # Here, since Keras takes seconds that a mistake above need not wait for.
        from pneumonia.inference.predictor import Prediction, Predictor

        predictor = Predictor.load(directory)
        rows, shared = [], Path(os.path.commonpath([file.resolve().parent for file in files]))
        for file, prediction in zip(
            tqdm(files, unit=" films", file=sys.stderr), predictor.predict_files(files), strict=True
        ):
            row: dict[str, object] = {"file": str(file), "model_version": version}
            if isinstance(prediction, Prediction):
                row |= {name: getattr(prediction, name) for name in ("label", "probability", "threshold", "remark")}
                if prediction.boxes is not None:
                    row["boxes"] = _written(prediction.boxes, form)
                if overlays:
                    _write_overlay(predictor, prediction, file, overlays / f"{file.resolve().relative_to(shared)}.png")
            else:
                row["reason"] = str(prediction)
            rows.append(row)
        columns = COLUMNS + ["boxes"] * (predictor.decision.localization is not None)
    table = pd.DataFrame(rows, columns=columns)
    _write(table, form, output)
    return int(table["reason"].notna().sum())


def find_films(places: Sequence[Path], without: Path | None = None) -> list[Path]:
    """The files among `places`, whatever their names, and those in its folders with one of `SUFFIXES`, each once.

    What lies in the folder `without` is left out.

    Raises:
        UserError: a folder without any.
    """
    films: dict[Path, None] = {}
    for place in places:
        inside = [place]
        if place.is_dir():
            inside = sorted(file for file in place.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
            inside = [file for file in inside if not without or not file.resolve().is_relative_to(without.resolve())]
            if not inside:
                raise UserError(f"{place}: has no films in it, no file with one of {', '.join(SUFFIXES)}")
        films |= dict.fromkeys(inside)
    return list(films)


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{directory}: cannot be made a folder ({error.strerror})") from error


def _write_overlay(predictor: "Predictor", prediction: "Prediction", file: Path, picture: Path) -> None:
    from PIL import Image

    from pneumonia.inference.overlay import show_evidence
    from pneumonia.radiographs.read import read_radiograph

    film = read_radiograph(file).pixels
    with whole_file(picture) as partial:
        Image.fromarray(show_evidence(predictor, prediction, film, film)).save(partial)


def _written(boxes: "Sequence[Detection]", form: Format) -> object:
    from pneumonia.inference.predictor import boxes_as_json

    if form == "json":
        return [box._asdict() for box in boxes]
    return boxes_as_json(boxes) if form == "csv" else str(len(boxes))


def _write(table: pd.DataFrame, form: Format, output: Path | None) -> None:
    if form == "csv":
        text = table.to_csv(index=False)
    elif form == "json":
        rows = table.astype(object).where(table.notna(), None).to_dict("records")
        text = json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
    else:
        text = table.to_string(index=False, na_rep="", float_format="{:.4f}".format) + "\n"
    if output is None:
        sys.stdout.write(text)
        return
    with whole_file(output) as partial:
        partial.write_text(text)
