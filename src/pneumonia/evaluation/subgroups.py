"""Where a network fails: its predictions by subtype, series and size, and by view, sex and age where they are known."""

import numpy as np
import pandas as pd
from scipy.stats import binomtest

MOST_SERIES = 12
"""A series is a patient's name without its number; more than so many are names and no series."""
KNOWN = ("view", "sex")
"""Columns of `index.csv` whose values are groups as they are."""
OTHERWISE = ("file", "label", "patient", "official_split", "age")
ENCODING = ("width", "height", "mode", "format", "quality", "bytes", "spacing")
"""Columns of `index.csv` that are no groups, or that groups are made from; any further one is the user's."""


def group_films(films: pd.DataFrame) -> pd.DataFrame:
    """The groups that each film is in, a column each.

    `films` has the columns of `data/clean/index.csv` (`label`, `patient`, `width`, `height`, and where the source knows
    them `view`, `sex` and `age` in years). Sizes and ages are cut into three groups of equally many films. Any further
    column of few values, as a site, groups by these. A column in which all films are alike is left out.
    """
    groups = pd.DataFrame({"subtype": films["label"]}, index=films.index)
    series = films["patient"].str.replace(r"\d+(?=\D*$)", "", regex=True)
    if series.nunique() <= MOST_SERIES:
        groups["series"] = series
    groups["size"] = _thirds(np.sqrt(films["width"] * films["height"]), "px")
    for name in KNOWN:
        if name in films:
            groups[name] = films[name]
    for name in films.columns.difference([*OTHERWISE, *ENCODING, *KNOWN], sort=False):
        if films[name].nunique() <= MOST_SERIES:
            groups[name] = films[name]
    if "age" in films:
        groups["age"] = _thirds(pd.to_numeric(films["age"], errors="coerce"), "years")
    return groups.loc[:, groups.nunique() > 1]


def metrics_by_group(groups: pd.DataFrame, sick: np.ndarray, predicted: np.ndarray, right: np.ndarray) -> pd.DataFrame:
    """How films fare in each group of `group_films`, a row a group.

    Its columns: `films`, how many of them are `sick` and `predicted_sick`, and the share that is `right`
    with its 95 % interval from `low` to `high` (Wilson 1927). Groups `by` the same column follow each other, the worst
    first. `sick`, `predicted` and `right` are bool (N,).
    """
    rows = []
    for column in groups:
        for name, members in groups.groupby(column, observed=True).indices.items():
            share = binomtest(int(right[members].sum()), len(members))
            interval = share.proportion_ci(method="wilson")
            rows.append(
                {
                    "by": column,
                    "group": name,
                    "films": len(members),
                    "sick": int(sick[members].sum()),
                    "predicted_sick": int(predicted[members].sum()),
                    "right": share.statistic,
                    "low": interval.low,
                    "high": interval.high,
                }
            )
    columns = ["by", "group", "films", "sick", "predicted_sick", "right", "low", "high"]
    return pd.DataFrame(rows, columns=columns).sort_values(["by", "right"], ignore_index=True)


def _thirds(values: pd.Series, unit: str) -> pd.Series:
    """The third that each value is in, named by its range; missing values are in none."""
    if values.isna().all():
        return values.astype(object)
    thirds = pd.qcut(values, 3, labels=False, duplicates="drop")
    ranges = values.groupby(thirds).agg(["min", "max"])
    return thirds.map(
        lambda third: f"{ranges.at[third, 'min']:.0f} to {ranges.at[third, 'max']:.0f} {unit}", na_action="ignore"
    )
