"""The CSV that the RSNA Pneumonia Detection Challenge 2018 takes (its page on Kaggle, Evaluation)."""

import csv
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from pneumonia.commands.places import films_in
from pneumonia.errors import UserError
from pneumonia.names import printable, spell
from pneumonia.outputs import whole_file
from pneumonia.registry.version_files import registered_model


def write_submission(places: Sequence[Path], model: str, output: Path) -> int:
    """Write a row for each film in `places`, files or folders, to `output`; return how many could not be read.

    `patientId` is the file's name without its suffix, as in the challenge. `PredictionString` has `confidence x y width
    height` for each box, in pixels of the film, the most confident first, with blanks between; it is empty without a
    box. `model` is a registered localiser's address. Why a film cannot be read goes to stderr.

    Raises:
        UserError: no such place, a folder without films, two films of one name, or a model that cannot be had or draws
            no boxes.
    """
    missing = [place for place in places if not os.path.exists(place)]
    if missing:
        raise UserError(f"{missing[0]}: no such file or folder")
    files = films_in(places)
    names = spell([file.stem for file in files], printable)
    [(name, count)] = Counter(file.stem for file in files).most_common(1)
    if count > 1:
        raise UserError(f"patientId {name!r} is that of {count} films; each may have one, its file's name")
    with registered_model(model) as (directory, _):
        # Here, since it takes time that a mistake above need not wait for.
        from pneumonia.inference.predictor import Detection, Prediction, Predictor

        predictor = Predictor.load(directory)
        if predictor.decision.localization is None:
            task = predictor.decision.task
            raise UserError(f"{model} draws no boxes, its task is {task!r}; it may be a version of pneumonia-localize")
        rows, unreadable = [], 0
        for file, prediction in zip(
            tqdm(files, unit=" films", file=sys.stderr), predictor.predict_files(files), strict=True
        ):
            boxes: Sequence[Detection] = ()
            if isinstance(prediction, Prediction):
                boxes = prediction.boxes or ()
            else:
                unreadable += 1
                print(printable(f"{file}: {prediction}"), file=sys.stderr)
            said = (f"{box.confidence:.4f} {box.x:.1f} {box.y:.1f} {box.width:.1f} {box.height:.1f}" for box in boxes)
            rows.append((names[file.stem], " ".join(said)))
    with whole_file(output) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("patientId", "PredictionString"), *rows])
    return unreadable
