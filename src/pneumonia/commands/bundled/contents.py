"""What is where in a bundle."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pneumonia.inference.predictor import TWIN, Prediction


class Contents:
    """The parts of the bundle in a folder."""

    def __init__(self, folder: Path) -> None:
        self.model = folder / "model"
        """The files of a predictor, with the twin in place of the Keras model."""
        self.twin = self.model / TWIN
        self.films = folder / "films"
        """Generated films, and in `answers.json` the answer to each."""
        self.facts = folder / "bundle.json"
        """`name` and `version` of the registered model."""

    @property
    def answers(self) -> Path:
        """A list of objects: `file`, and what `said` gives for it."""
        return self.films / "answers.json"

    @property
    def version(self) -> str:
        """The registered model's version."""
        return str(self._facts()["version"])

    @property
    def title(self) -> str:
        """The registered model's name, with its version."""
        return "{name} version {version}".format(**self._facts())

    def _facts(self) -> dict[str, str]:
        facts: dict[str, str] = json.loads(self.facts.read_text(encoding="utf-8"))
        return facts


def said(prediction: Prediction) -> dict[str, Any]:
    """What a prediction says, as JSON has it: its fields, a localiser's boxes as objects."""
    fields = asdict(prediction)
    fields.pop("boxes")
    if prediction.uncertain is None:
        fields.pop("uncertain")
    return fields if prediction.boxes is None else {**fields, "boxes": [box._asdict() for box in prediction.boxes]}
