"""What a version knows of the place that it is from, kept beside the network as `home.json`.

With it, films elsewhere are told from those that it has seen, and what is measured there is set beside what was
measured at home. Nothing in it shows a film or names a patient.
"""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from pneumonia.errors import UserError
from pneumonia.outputs import whole_file

HOME = "home.json"
"""The file in a classifier's directory; versions from before it, and the one that comes with the package, have none."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Measured(BaseModel):
    """A metric with its 95 % interval by patient."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    low: float
    high: float


class Stressed(BaseModel):
    """What is left on altered test films, at the operating point."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    roc_auc: float
    sensitivity: float
    specificity: float


class Home(BaseModel):
    """The films that a version was trained and validated on, and what came out on its own test films."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    films: list[str]
    """The `recognition.film_hashes` of the films of train and val, and of those elsewhere that chose a site's
    decision."""
    patients: list[str]
    """The `deidentification.pseudonym` of their patients, as their own source calls them."""
    salt: str
    """The pseudonym of `SALT_CHECK`: patients are recognised only by who has the same salt."""
    test: dict[str, Measured]
    """Metrics of the test films; one that is not a number, as the AUC of one class is, is left out."""
    stresses: dict[str, Stressed]
    """By the name of the stress; `as it is` too."""
    share_sick: float
    """Of the validation films, which the probability is calibrated for."""
    unfamiliar: float
    """The share of the test films that get a remark."""
    quantiles: dict[str, list[float]]
    """The `QUANTILES` of what is measured of the training films (see `film_measures`), of age where it is known."""
    views: dict[str, float]
    """The share of each view, of the training films whose view is known."""

    def save(self, path: Path) -> None:
        """Write the fields as JSON."""
        with whole_file(path) as partial:
            partial.write_text(self.model_dump_json() + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            UserError: it is damaged.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise UserError(f"{path}: is not what evaluate registers there, but something else or damaged") from error


SALT_CHECK = "whose salt this is"
