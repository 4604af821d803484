"""Does the bundle answer here as it did where it was made?"""

import json
from typing import Any

from pneumonia.commands.bundled.contents import Contents, said
from pneumonia.errors import UserError
from pneumonia.inference.predictor import Prediction, Predictor

TOLERANCE = 1e-3
"""By how much a probability may differ: processors round differently. Boxes may by as much of their film's size."""


def check(contents: Contents) -> str:
    """Ask about the bundle's films; what came of it, in words.

    Raises:
        UserError: an answer is not the one that it must be: the first such, with both.
    """
    answers = json.loads(contents.answers.read_text(encoding="utf-8"))
    predictor = Predictor.load(contents.model)
    files = [contents.films / answer["file"] for answer in answers]
    for answer, prediction in zip(answers, predictor.predict_files(files), strict=True):
        file = answer.pop("file")
        if not isinstance(prediction, Prediction):
            raise UserError(f"{file}: cannot be read here ({prediction})")
        for name, expected in answer.items():
            got = json.loads(json.dumps(said(prediction)))[name]
            if not _alike(got, expected):
                raise UserError(f"{file}: {name} is {got}; it must be {expected}")
    return f"{len(files)} films get the answers that they must get"


def _alike(got: Any, expected: Any) -> bool:  # noqa: ANN401
    if isinstance(expected, dict):
        return isinstance(got, dict) and got.keys() == expected.keys() and _alike([*got.values()], [*expected.values()])
    if isinstance(expected, list):
        return isinstance(got, list) and len(got) == len(expected) and all(map(_alike, got, expected))
    if isinstance(expected, float):
        return abs(got - expected) <= TOLERANCE * max(1, abs(expected))
    return bool(got == expected)
