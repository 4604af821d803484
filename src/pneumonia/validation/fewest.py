"""Whom a test needs."""

import numpy as np
import pandas as pd

FEWEST = 5
"""Patients with and without pneumonia whom a validation needs: fewer show nothing."""


def too_few(patients: pd.Series, sick: np.ndarray) -> str:
    """Of whom there are too few, in words; empty where films of `patients`, `sick` or not, bool (N,), are enough."""
    for kind, is_in in (("with pneumonia", sick), ("without", ~sick)):
        if (number := patients[is_in].nunique()) < FEWEST:
            return f"patients {kind}: {number}, at least {FEWEST} are needed"
    return ""
