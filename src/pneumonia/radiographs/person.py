"""What may be kept of the person on a film, from a header or a table: view, sex and age, as DICOM defines them."""

import re

VIEWS = ("AP", "PA", "LL", "RL", "LLD", "RLD", "LLO", "RLO")
SEXES = ("F", "M", "O")
"""Only views and sexes that DICOM defines are handed on: an element may hold anything, even a name."""

YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
"""The years in each unit of a DICOM age."""
OLDEST = 90
"""All who are older are one group, since their age may name them: HIPAA's safe harbour (45 CFR 164.514(b)(2))."""
POSSIBLE = 120
"""Years; a greater age is taken for a typing mistake, and the age is unknown."""


def years(age: str) -> float | None:
    """Years from DICOM's age string, as `034Y` or `006M`, or from bare years, as in RSNA; None for anything else."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([YMWD]?)", age)
    if not found:
        return None
    number = float(found[1]) * YEARS[found[2] or "Y"]
    return min(number, OLDEST) if number <= POSSIBLE else None
