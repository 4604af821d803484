"""How many films a validation needs, so that an interval of 95 % is as narrow as one wants it.

For films of a patient each: further films of a patient tell less than those of another.
"""

import math
from collections.abc import Callable

import pandas as pd
from scipy.optimize import brentq
from scipy.stats import beta, norm

from pneumonia.errors import UserError

Z = float(norm.ppf(0.975))
MOST = 1e9


def films_needed(
    width: float, prevalence: float, sensitivity: float | None, specificity: float | None, auc: float | None
) -> pd.DataFrame:
    """The films for intervals of `width` from end to end, where `prevalence` of them are sick; a row a metric.

    Columns: `metric`, what is `expected` of it, how many `films` it needs in all, and how many `of them sick`.
    Sensitivity and specificity: Buderer (1996), and where that interval would reach beyond 0 or 1, Clopper and
    Pearson's (1934). AUC: Hanley and McNeil (1982). The last row is the ratio of observed to expected pneumonias,
    expected to be 1, whose interval is on a scale of logarithms (Riley et al., 2021).

    Raises:
        UserError: a share that is not between 0 and 1, or a width that a billion films do not give.
    """
    shares = {"--prevalence": prevalence, "--width": width, "--sensitivity": sensitivity, "--specificity": specificity}
    for name, value in (shares | {"--auc": auc}).items():
        least = 0.5 if name == "--auc" else 0
        if value is not None and not least < value < 1:
            raise UserError(f"{name} is {value}; it should be above {least} and below 1")
    needed: dict[str, tuple[float, int]] = {}
    if sensitivity is not None:
        needed["sensitivity"] = sensitivity, math.ceil(_for_share(sensitivity, width) / prevalence)
    if specificity is not None:
        needed["specificity"] = specificity, math.ceil(_for_share(specificity, width) / (1 - prevalence))
    if auc is not None:
        needed["AUC"] = auc, _for_auc(auc, width, prevalence)
    error = math.asinh(width / 2) / Z
    needed["observed / expected (calibration)"] = 1.0, math.ceil((1 - prevalence) / prevalence / error**2)
    return pd.DataFrame(
        [
            {"metric": name, "expected": expected, "films": films, "of them sick": math.ceil(films * prevalence)}
            for name, (expected, films) in needed.items()
        ]
    )


def standard_error_of_auc(auc: float, sick: float, healthy: float) -> float:
    """Hanley and McNeil's, for so many films of each class."""
    both_sick, both_healthy = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (sick - 1) * (both_sick - auc**2) + (healthy - 1) * (both_healthy - auc**2)
    return math.sqrt(variance / (sick * healthy))


def _for_share(share: float, width: float) -> int:
    """The films of a class for an interval of a share of them."""
    if width / 2 < min(share, 1 - share):
        return math.ceil(round(Z**2 * share * (1 - share) / (width / 2) ** 2, 9))

    def exact(films: float) -> float:
        right, wrong = share * films, (1 - share) * films
        return float(beta.ppf(0.975, right + 1, wrong) - beta.ppf(0.025, right, wrong + 1))

    return _fewest(exact, 1, width)


def _for_auc(auc: float, width: float, prevalence: float) -> int:
    def wide(films: float) -> float:
        return 2 * Z * standard_error_of_auc(auc, films * prevalence, films * (1 - prevalence))

    return _fewest(wide, 2 / min(prevalence, 1 - prevalence), width)


def _fewest(wide: Callable[[float], float], least: float, width: float) -> int:
    """The films, `least` or more, for which an interval is so `wide` as is wanted."""
    if wide(least) <= width:
        return math.ceil(least)
    if wide(MOST) > width:
        raise UserError(f"--width is {width}; no {MOST:,.0f} films give that, so it should be larger")
    return math.ceil(brentq(lambda films: wide(films) - width, least, MOST))
