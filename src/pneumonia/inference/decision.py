"""What turns a network's probabilities into an answer, kept beside the network as `decision.json`."""

from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pneumonia.errors import UserError
from pneumonia.files import whole_file
from pneumonia.labels import class_sets, count_healthy
from pneumonia.localization.postprocessing import Postprocessing


def probability_of_pneumonia(probabilities: np.ndarray, healthy: int) -> np.ndarray:
    """That of any class but the first `healthy` ones, float (N,), of the `probabilities` of all, float (N, C)."""
    return 1 - probabilities[:, :healthy].sum(axis=1)


def share_of_last(probabilities: np.ndarray) -> np.ndarray:
    """Of the probability of the last two classes that of the last, float (N,), of probabilities float (N, C)."""
    return probabilities[:, -1] / np.maximum(probabilities[:, -2:].sum(axis=1), np.finfo(float).tiny)


def call(probabilities: np.ndarray, threshold: float, healthy: int) -> np.ndarray:
    """The class numbers int64 (N,) that films of calibrated `probabilities`, float (N, C), are called.

    From the `threshold` of the probability of pneumonia on the likeliest of its classes; below it the likeliest of the
    first `healthy` ones.
    """
    sick = probability_of_pneumonia(probabilities, healthy) >= threshold
    likeliest = healthy + probabilities[:, healthy:].argmax(axis=1)
    return np.where(sick, likeliest, probabilities[:, :healthy].argmax(axis=1))


class Localization(BaseModel):
    """How the map of a localiser becomes boxes."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    head: str
    """Whose `decode` reads the map: a name in `localization.heads.HEADS`."""
    postprocessing: Postprocessing


class Decision(BaseModel):
    """How a network is used: the films that it takes, and what is called pneumonia."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    task: Literal["binary", "multiclass", "localize"]
    classes: list[str]
    """In the order of the network's outputs, those without pneumonia first."""
    image_size: int = Field(gt=0)
    """Pixels a side of the square that films are resized to."""
    min_size: int = Field(gt=0)
    """Films with a shorter side, in pixels, are refused: `clean.min_size`."""
    temperature: float = Field(gt=0)
    """Of `calibration.scale`."""
    threshold: float = Field(ge=0, le=1)
    """From which calibrated probability of pneumonia on a film is called sick."""
    rule: str
    """How the threshold was chosen."""
    localization: Localization | None = None
    """Of task `localize` alone."""

    @property
    def healthy(self) -> int:
        """How many of the classes, the first ones, are without pneumonia."""
        return count_healthy(self.classes)

    @model_validator(mode="after")
    def _classes_of_the_task(self) -> Self:
        may_be = class_sets(self.task)
        if self.classes not in may_be:
            raise ValueError(f"classes are {self.classes}; those of {self.task} are {' or '.join(map(str, may_be))}")
        if (self.task == "localize") != (self.localization is not None):
            raise ValueError(f"task is {self.task}; a localization belongs to localize, and to no other")
        return self

    def save(self, path: Path) -> None:
        """Write JSON."""
        with whole_file(path) as partial:
            partial.write_text(self.model_dump_json(indent=2, exclude_none=True) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            UserError: no such file, no JSON, or a value that cannot be.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); `dvc repro` writes it") from error
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            is_what = f"{place} is {str(first['input'])[:40]!r}: " if place else ""
            raise UserError(f"{path}: {is_what}{first['msg'].removeprefix('Value error, ')}") from None
