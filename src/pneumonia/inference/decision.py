"""What turns a network's probabilities into a prediction, kept beside the network as `decision.json`."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pneumonia.annotations.labels import class_sets, count_healthy
from pneumonia.errors import UserError, few
from pneumonia.inference.postprocessing import Postprocessing
from pneumonia.outputs import whole_file


class Localization(BaseModel):
    """How the map of a localiser becomes boxes."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    head: str
    """The name of the network whose `HEAD` reads the map."""
    postprocessing: Postprocessing


UNCERTAIN = "uncertain"
"""The label of a film that is not answered."""


class Abstention(BaseModel):
    """Which films are not answered."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    low: float = Field(ge=0, le=1)
    """The least calibrated probability of pneumonia that is uncertain."""
    high: float = Field(ge=0, le=1)
    """The least above it that is not."""
    unfamiliar: bool
    """Whether a film unlike the training films is uncertain too."""
    rule: str
    """How the band was chosen."""

    def is_uncertain(self, probability: float, remark: str) -> bool:
        """Whether a film is not answered; `remark` is that on an unfamiliar one."""
        return self.low <= probability < self.high or (self.unfamiliar and bool(remark))


class OfSite(BaseModel):
    """What is decided otherwise for films of one site: by the same network, with another temperature and threshold."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    temperature: float = Field(gt=0)
    threshold: float = Field(ge=0, le=1)
    rule: str


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
    abstention: Abstention | None = None
    """When not to answer; none where every film is answered."""
    sites: dict[str, OfSite] | None = None
    """The decisions of other sites, by their names."""
    notice: str | None = None
    """What whoever uses the network is told as it is loaded: one line, or none."""

    @property
    def healthy(self) -> int:
        """The number of classes without pneumonia, which come first."""
        return count_healthy(self.classes)

    def with_site(self, site: str, of_site: OfSite) -> Self:
        """The decision with that of a site beside those that it has."""
        return self.model_copy(update={"sites": {**(self.sites or {}), site: of_site}})

    def at(self, site: str) -> Self:
        """The decision for films of `site`, which has no band of its own: the one that there is was chosen elsewhere.

        Raises:
            UserError: there is none.
        """
        sites = self.sites or {}
        if site not in sites:
            raise UserError(
                f"site is {site[:60]!r}; this version has decisions for {few(sorted(sites))}; "
                f"`pneumonia validate FOLDER --recalibrate N --site {site[:60]}` makes one for --model"
            )
        return self.model_copy(update={**dict(sites[site]), "abstention": None, "sites": None})

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
