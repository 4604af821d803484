"""What turns a network's probabilities into a prediction, kept beside the network as `decision.json`."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pneumonia.annotations.labels import class_sets, count_healthy
from pneumonia.errors import UserError
from pneumonia.inference.postprocessing import Postprocessing
from pneumonia.outputs import whole_file


class Localization(BaseModel):
    """How the map of a localiser becomes boxes."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    head: str
    """The name of the network whose `HEAD` reads the map."""
    postprocessing: Postprocessing


class Decision(BaseModel):
    """How a network is used: which films it takes, and which of them are predicted to show pneumonia."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    task: Literal["binary", "multiclass", "localize"]
    classes: list[str]
    """The classes in the order of the network's outputs, those without pneumonia first."""
    image_size: int = Field(gt=0)
    """The side, in pixels, of the square that films are resized to."""
    min_size: int = Field(gt=0)
    """Films with a shorter side, in pixels, are refused: `clean.min_size`."""
    temperature: float = Field(gt=0)
    """The T of `probabilities.scale`."""
    threshold: float = Field(ge=0, le=1)
    """The least calibrated probability of pneumonia with which a film is predicted to show it."""
    rule: str
    """How the threshold was chosen."""
    localization: Localization | None = None
    """Given for the task `localize` alone."""
    notice: str | None = None
    """What whoever uses the network is told as it is loaded: one line, or none."""

    @property
    def healthy(self) -> int:
        """The number of classes without pneumonia, which come first."""
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
        """Write the fields as JSON."""
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
            raise UserError(f"{path}: cannot be read ({error.strerror}); evaluate writes it") from error
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            is_what = f"{place} is {str(first['input'])[:40]!r}: " if place else ""
            raise UserError(f"{path}: {is_what}{first['msg'].removeprefix('Value error, ')}") from None
