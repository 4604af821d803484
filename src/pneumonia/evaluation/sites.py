"""How good a network is in each place that the films are from: the worst one says more than the mean."""

import numpy as np
import pandas as pd

from pneumonia.evaluation.bootstrap import intervals
from pneumonia.evaluation.parts import Part
from pneumonia.inference.probabilities import predict_classes

BY_SITE = ("roc_auc", "accuracy", "sensitivity", "specificity")
"""The metrics that are given for each site."""


def metrics_by_site(part: Part, threshold: float, draws: int) -> pd.DataFrame | None:
    """A row for each `site` of the films, the one with the least AUC first; None where no site is known.

    Its columns: `films`, `patients` and how many films are `sick`; each metric of `BY_SITE`, with its 95 % interval by
    patient as `…_low` and `…_high`. A metric that needs both classes is NaN where a site has one.
    """
    if "site" not in part.films:
        return None
    positive = predict_classes(part.probabilities, threshold, part.healthy) >= part.healthy
    patients, rows = part.films["patient"].to_numpy(str), []
    for site, members in part.films.groupby("site").indices.items():
        found = intervals(part.sick[members], part.probability[members], positive[members], patients[members], draws)
        row = {
            "site": site,
            "films": len(members),
            "patients": len(set(patients[members])),
            "sick": int(part.sick[members].sum()),
        }
        for name in BY_SITE:
            value, low, high = found.loc[name, ["value", "low", "high"]]
            row |= {name: value, f"{name}_low": low, f"{name}_high": high}
        rows.append(row)
    return pd.DataFrame(rows).sort_values("roc_auc", ignore_index=True)


def named_metrics(sites: pd.DataFrame | None) -> dict[str, float]:
    """The metrics of a table of `metrics_by_site` by name: `site/SITE/…`; of several also their mean, `sites/mean/…`,
    and the worst, `sites/worst/…`. What is NaN is left out.
    """
    if sites is None:
        return {}
    values = {f"site/{row['site']}/{name}": row[name] for _, row in sites.iterrows() for name in BY_SITE}
    if len(sites) > 1:
        values |= {f"sites/mean/{name}": sites[name].mean() for name in BY_SITE}
        values |= {f"sites/worst/{name}": sites[name].min() for name in BY_SITE}
    return {name: float(value) for name, value in values.items() if np.isfinite(value)}
