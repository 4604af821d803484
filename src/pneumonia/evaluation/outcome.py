"""What an evaluation gives, for the report, the card and the registry."""

from dataclasses import dataclass, field

import pandas as pd

from pneumonia.inference.decision import Decision


@dataclass(frozen=True)
class Evaluation:
    """What came out of an evaluation."""

    metrics: dict[str, dict[str, float]]
    """By part, then by name (see `metrics.compute_metrics`); those of a localiser's boxes begin with `boxes/`."""
    decision: Decision
    """The operating point, and all else that turns probabilities into a prediction."""
    choices: pd.DataFrame
    """What the other operating points would have given (see `operating_point.compare_choices`)."""
    intervals: pd.DataFrame
    """The metrics with their intervals (see `parts.intervals_of`)."""
    calibration: pd.DataFrame
    """How well calibrated each part is, before and after temperature scaling."""
    findings: list[str]
    """The shortcuts that were found, in words."""
    stressed: pd.DataFrame = field(default_factory=pd.DataFrame)
    """What is left of the test films' score under each stress, at the operating point (see `shortcuts`)."""
