"""Is a model worse for some? Each group of films, and each pair of groups, against the rest.

The more groups are looked at, the more of them differ by chance: intervals are made wider by Bonferroni's rule, so that
all of them together hold the truth in 95 % of studies or more. That asks for ends so far out that neither draws nor a
normal curve give them for a small group. So sensitivity, specificity and AUC have the ends of Clopper and Pearson
(1934) on each side, for as many trials as the variance over draws of patients is worth, and never more than there are
patients of the rarest class that the metric is about: the variance of an AUC, too, is at most that of a share of so
many (Birnbaum, Klose, 1957). Both sides are put together as Newcombe (1998) does. Calibration has Student's interval,
with the variance over draws or the one that the probabilities themselves ask for (Spiegelhalter, 1986), whichever is
larger: among few films the rare surprise may be missing.
"""

from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import beta
from scipy.stats import t as student

from pneumonia.evaluation.bootstrap import resample, roc_auc

LEAST = 10
"""So many patients a group and its rest need, of each class that a metric is about, for there to be a number."""
NOT_IN_PAIRS = ("series", "size")
"""Groups that tell how films came, and not of whom: they are looked at by themselves alone."""
GAPS = ["by", "group", "films", "patients", "metric", "value", "rest", "gap", "low", "high", "means"]

_CLASSES = {"sensitivity": (1,), "specificity": (0,), "roc_auc": (0, 1), "calibration": (0, 1)}
"""The classes, 1 for sick, that each metric is about. `calibration` is the mean probability less the share of sick: it
is 0 where the probabilities mean what they say, but never among films of one class alone."""

_Metric = Callable[[np.ndarray, np.ndarray], np.ndarray]


def group_gaps(
    groups: pd.DataFrame,
    sick: np.ndarray,
    probability: np.ndarray,
    positive: np.ndarray,
    patients: np.ndarray,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """How sensitivity, specificity, AUC and calibration of each group differ from those of the rest, a row each.

    `groups` has a column for each way to group the N films (see `subgroups.group_films`), `sick` and `positive` are
    (N,) of 0 and 1, `probability` is float (N,), `patients` str (N,). The rest are the films of the other groups by the
    same columns; films whose group is not known are in neither.

    Columns: `by`, `group`, how many `films` and `patients`, the `metric`, its `value` and that of the `rest`, the `gap`
    between them, its interval from `low` to `high`, adjusted for the number of gaps that are in the table, and what it
    `means`, in words. Where a group or its rest has less than `LEAST` patients there are no numbers, and it says so.
    """
    metrics = _metrics(np.asarray(sick, float), probability, np.asarray(positive, float))
    rows: list[dict[str, object]] = []
    measured: list[tuple[int, str, np.ndarray, np.ndarray]] = []
    for by, group, members, rest in _sides(groups):
        for name in metrics:
            few = _too_few(name, [members, rest], sick, patients)
            row = {"by": by, "group": group, "films": len(members), "patients": len(set(patients[members]))}
            rows.append(row | {"metric": name, "means": few})
            if not few:
                measured.append((len(rows) - 1, name, members, rest))
    once = np.ones((1, len(sick)))
    drawn: list[tuple[list[np.ndarray], list[np.ndarray]]] = [([], []) for _ in measured]
    for weights in resample(patients, draws, seed):
        for kept, (_, name, *sides) in zip(drawn, measured, strict=True):
            for of_side, side in zip(kept, sides, strict=True):
                of_side.append(metrics[name](side, weights))
    chance = 0.05 / (2 * max(len(measured), 1))
    for kept, (number, name, *sides) in zip(drawn, measured, strict=True):
        value, of_rest = (float(metrics[name](side, once)[0]) for side in sides)
        variances = [float(np.nanvar(np.concatenate(of_side), ddof=1)) for of_side in kept]
        fewest = [_fewest(side, _CLASSES[name], sick, patients) for side in sides]
        if name == "calibration":
            own = [float((probability[side] * (1 - probability[side])).sum()) / len(side) ** 2 for side in sides]
            half = student.isf(chance, min(fewest) - 1) * np.sqrt(sum(map(max, variances, own)))
            low, high = value - of_rest - half, value - of_rest + half
        else:
            ours, theirs = map(_ends, (value, of_rest), variances, fewest, [chance] * 2)
            low = value - of_rest - float(np.hypot(value - ours[0], theirs[1] - of_rest))
            high = value - of_rest + float(np.hypot(ours[1] - value, of_rest - theirs[0]))
        rows[number] |= _interval(value, of_rest, low, high)
    return pd.DataFrame(rows, columns=GAPS)


def _sides(groups: pd.DataFrame) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """By which columns, the group, the rows of its films and those of the rest: each column, then each pair."""
    in_pairs = [column for column in groups if column not in NOT_IN_PAIRS]
    for columns in [*((column,) for column in groups), *combinations(in_pairs, 2)]:
        named = groups[list(columns)].astype(object).fillna("").astype(str)
        known = (named != "").all(axis=1).to_numpy()
        joined = named.agg(", ".join, axis=1).to_numpy()
        for group in sorted(set(joined[known])):
            inside = known & (joined == group)
            if (known & ~inside).any():
                yield " and ".join(columns), group, np.flatnonzero(inside), np.flatnonzero(known & ~inside)


def _metrics(sick: np.ndarray, probability: np.ndarray, positive: np.ndarray) -> dict[str, _Metric]:
    """Each metric, (D,), of the films in `rows`, where film n counts `weights[d, n]` times."""

    def share_right(of_class: float) -> _Metric:
        of_these = sick == of_class
        right = of_these & (positive == of_class)

        def metric(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
            with np.errstate(invalid="ignore"):
                return (weights[:, rows] @ right[rows]) / (weights[:, rows] @ of_these[rows])

        return metric

    def calibration(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return (weights[:, rows] @ (probability - sick)[rows]) / weights[:, rows].sum(axis=1)

    return {
        "sensitivity": share_right(1),
        "specificity": share_right(0),
        "roc_auc": lambda rows, weights: roc_auc(sick[rows], probability[rows], weights[:, rows]),
        "calibration": calibration,
    }


def _fewest(side: np.ndarray, classes: tuple[int, ...], sick: np.ndarray, patients: np.ndarray) -> int:
    """The patients of the rarest of `classes` on a side."""
    return min(len(set(patients[side][sick[side] == kind])) for kind in classes)


def _too_few(name: str, sides: list[np.ndarray], sick: np.ndarray, patients: np.ndarray) -> str:
    """Why there is no number, or an empty string."""
    for whose, side in zip(("", "the rest has "), sides, strict=True):
        for kind, of_kind in ((1, "sick"), (0, "healthy")):
            there = _fewest(side, (kind,), sick, patients)
            if kind in _CLASSES[name] and there < LEAST:
                return f"too small: {whose}{there} {of_kind} patients, {LEAST} are needed"
    return ""


def _ends(value: float, variance: float, patients: int, chance: float) -> tuple[float, float]:
    """Clopper and Pearson's ends of a share, each missed with `chance`; as many trials as its `variance` tells, and no
    more than `patients`.
    """
    trials = min(value * (1 - value) / variance, patients) if variance > 0 else patients
    right = value * trials
    low = float(beta.ppf(chance, right, trials - right + 1)) if value > 0 else 0.0
    high = float(beta.isf(chance, right + 1, trials - right)) if value < 1 else 1.0
    return low, high


def _interval(value: float, rest: float, low: float, high: float) -> dict[str, float | str]:
    means = "higher than the rest" if low > 0 else "lower than the rest" if high < 0 else "no difference"
    return {"value": value, "rest": rest, "gap": value - rest, "low": low, "high": high, "means": means}
