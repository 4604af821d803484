"""Several trainings of one recipe: the mean of each metric, and how sure it is over patients *and* trainings.

Test films are a sample of patients, and trainings a sample of what seeds and training films may give. The variance of
a mean over both has a part from each, as where several readers read the same films (Obuchowski, Rockette, 1995). The
part from patients is that of the bootstrap over patients, all trainings on the same draws. The part from trainings is
s² / n, with s the standard deviation of what is independent: the folds, each the mean of its seeds, or without folds
the seeds. The two together count what patients and trainings have in common twice, as the pigeonhole bootstrap does
(Owen, 2007): the interval is rather too wide than too narrow. A bootstrap of three seeds has next to nothing to draw
from, and is far too narrow. So the interval is Student's, with the degrees of freedom of Welch (1947) and Satterthwaite
(1946); `tests/evaluation/test_repeats.py` counts how often either holds the truth.

Training films of two folds are mostly the same ones, so folds are less independent than they are taken for here: what
other training films altogether would give, no variance of folds can tell (Bengio, Grandvalet, 2004).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import t as student

from pneumonia.errors import UserError
from pneumonia.evaluation.bootstrap import resample
from pneumonia.evaluation.comparison import in_common, weighted_metrics

CONFIDENCE = 0.95


@dataclass(frozen=True, eq=False)
class Training:
    """One of several trainings: its fold, 0 where there are none, its seed, its rows of `predictions.csv`, and the
    temperature by which their probabilities are scaled, None where its run does not tell it.
    """

    fold: int
    seed: int
    films: pd.DataFrame
    temperature: float | None = None


@dataclass(frozen=True, eq=False)
class _Measured:
    """A metric of T trainings: `values`, float (T,), and `drawn`, float (T, D), the same in each draw of patients."""

    values: np.ndarray
    drawn: np.ndarray

    def is_always(self, value: float) -> bool:
        """Whether no draw is another; no draw at all tells nothing."""
        return self.drawn.size > 0 and bool((self.drawn == value).all())

    def beyond_draws(self, fewest: int) -> tuple[float, float]:
        """How far below and above its mean it may be though no draw shows it, for so many patients."""
        return (_unseen(fewest) if self.is_always(1) else 0.0), (_unseen(fewest) if self.is_always(0) else 0.0)


def summarize(trainings: Sequence[Training], part: str, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """The metrics of `trainings` on the films of a part, a row each.

    Columns: the `mean`, the standard deviation between trainings `sd`, the 95 % interval of the mean over patients and
    trainings from `low` to `high`, the standard error that comes from `patients` and that from `trainings`, and which
    of them is `larger`. Of one training the spread is unknown: `sd` and `trainings` are NaN, and the interval is over
    patients alone.

    Raises:
        UserError: the trainings did not predict the same films.
    """
    measured = _measure(trainings, part, _same_films([trainings], part), draws, seed)
    fewest = _fewest_patients(trainings[0], part)
    rows = {}
    for name, each in measured.items():
        units = _by_unit(each.values, trainings)
        of_trainings = units.var(ddof=1) / len(units) if len(units) > 1 else np.nan
        of_patients = each.drawn.mean(axis=0).var(ddof=1) if each.drawn.size else np.nan
        mean = units.mean()
        half = _half_width(of_patients, of_trainings, len(units) - 1)
        low, high = max(mean - half, 0.0), min(mean + half, 1.0)
        if each.is_always(1):
            low = 1 - _unseen(fewest)
        elif each.is_always(0):
            high = _unseen(fewest)
        sd = each.values.std(ddof=1) if len(trainings) > 1 else np.nan
        rows[name] = {"mean": mean, "sd": sd, "low": low, "high": high} | _sources(of_patients, of_trainings)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("metric")


def difference(
    first: Sequence[Training], second: Sequence[Training], part: str, draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """The difference between two groups of trainings in each metric, a row each, on the same draws of the same films.

    Columns: the mean of the `first` and the `second`, their `difference` (second less first), its 95 % interval over
    patients and trainings from `low` to `high`, what it `means`, the standard error from `patients` and from
    `trainings`, and which is `larger`. Where both have the same folds, the difference is taken fold by fold. A group of
    one training is taken to vary as the other does, since nothing else is known of it. Where a metric of a group is 1
    in every draw, or 0, what Clopper and Pearson (1934) leave it is put to the interval as Newcombe (1998) does.

    Groups with other classes are compared as `comparison.as_binary` has them.

    Raises:
        UserError: the groups did not predict the same films, or each is one training.
    """
    if max(len(first), len(second)) < 2:
        raise UserError("each of the two is a single training: nothing is known of how trainings vary")
    tables = in_common([training.films for training in (*first, *second)])
    both = [replace(each, films=films) for each, films in zip((*first, *second), tables, strict=True)]
    first, second = both[: len(first)], both[len(first) :]
    films = _same_films([first, second], part)
    ours, theirs = (_measure(group, part, films, draws, seed) for group in (first, second))
    fewest = _fewest_patients(first[0], part)
    rows = {}
    for name in ours:
        if name not in theirs:
            continue
        units = [_by_unit(each[name].values, group) for each, group in ((ours, first), (theirs, second))]
        values = [ours[name].values, theirs[name].values]
        of_trainings, freedom = _variance_of_difference(units, values, paired=_folds(first) == _folds(second) != [0])
        of_patients = (theirs[name].drawn.mean(axis=0) - ours[name].drawn.mean(axis=0)).var(ddof=1)
        one, other = (each.mean() for each in units)
        half = _half_width(of_patients, of_trainings, freedom)
        (below_one, above_one), (below_other, above_other) = (
            each[name].beyond_draws(fewest) for each in (ours, theirs)
        )
        rows[name] = {
            "first": one,
            "second": other,
            "difference": other - one,
            "low": other - one - float(np.linalg.norm([half, below_other, above_one])),
            "high": other - one + float(np.linalg.norm([half, above_other, below_one])),
        } | _sources(of_patients, of_trainings)
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("metric")
    verdicts = ["the second is better", "the first is better", "no difference that these films and trainings can show"]
    means = np.select([table["low"] > 0, table["high"] < 0], verdicts[:2], verdicts[2])
    table.insert(5, "means", means)
    return table


def _same_films(groups: Sequence[Sequence[Training]], part: str) -> pd.DataFrame:
    """The `file`, `patient` and `class` of the films of a part, in order of `file`."""
    columns = ["file", "patient", "class"]
    tables = [_part(each, part)[columns] for group in groups for each in group]
    for table in tables[1:]:
        if not table.equals(tables[0]):
            shared = len(table.merge(tables[0], on=columns))
            raise UserError(
                f"the trainings cannot be taken together: of their {part} films, {len(tables[0])} and {len(table)}, "
                f"{shared} are the same, with the same classes"
                + ("; folds validate on other films each, so --part may be test" if part == "val" else "")
            )
    return tables[0]


def _part(training: Training, part: str) -> pd.DataFrame:
    return training.films[training.films["part"] == part].sort_values("file", ignore_index=True)


def _measure(
    trainings: Sequence[Training], part: str, films: pd.DataFrame, draws: int, seed: int
) -> dict[str, _Measured]:
    """The metrics of each training on the `films` of a part, all of them and the same draws of their patients."""
    functions = [weighted_metrics(_part(each, part)) for each in trainings]
    once = [metrics(np.ones((1, len(films)))) for metrics in functions]
    drawn: list[dict[str, list[np.ndarray]]] = [{name: [] for name in each} for each in once]
    for weights in resample(films["patient"].to_numpy(str), draws, seed):
        for kept, metrics in zip(drawn, functions, strict=True):
            for name, values in metrics(weights).items():
                kept[name].append(values)
    measured = {}
    for name in once[0]:
        of_draws = np.stack([np.concatenate(each[name]) for each in drawn])
        defined = ~np.isnan(of_draws).any(axis=0)
        measured[name] = _Measured(np.array([each[name][0] for each in once]), of_draws[:, defined])
    return measured


def _folds(trainings: Sequence[Training]) -> list[int]:
    return sorted({each.fold for each in trainings})


def _by_unit(values: np.ndarray, trainings: Sequence[Training]) -> np.ndarray:
    """The mean of each fold, or where there is one fold the value of each training."""
    folds = np.array([each.fold for each in trainings])
    if len(set(folds)) == 1:
        return values
    return np.array([values[folds == fold].mean() for fold in sorted(set(folds))])


def _variance_of_difference(units: list[np.ndarray], values: list[np.ndarray], paired: bool) -> tuple[float, float]:
    """The variance of the difference in means that comes from trainings, and its degrees of freedom.

    `units` are what is independent in each group (see `_by_unit`), `values` those of the single trainings.
    """
    if paired:
        differences = units[1] - units[0]
        return float(differences.var(ddof=1) / len(differences)), len(differences) - 1
    if min(map(len, units)) == 1:
        several = max(units, key=len)
        return float(several.var(ddof=1) / len(several) + max(values, key=len).var(ddof=1)), len(several) - 1
    each = [of_group.var(ddof=1) / len(of_group) for of_group in units]
    if sum(each) == 0:
        return 0.0, min(map(len, units)) - 1
    return float(sum(each)), sum(each) ** 2 / sum(v**2 / (len(u) - 1) for v, u in zip(each, units, strict=True))


def _half_width(of_patients: float, of_trainings: float, freedom: float) -> float:
    """Half of the interval: patients are many, so the degrees of freedom of their part count as endless."""
    if not of_trainings > 0:  # one training, or all alike
        return float(student.ppf((1 + CONFIDENCE) / 2, np.inf) * np.sqrt(of_patients))
    total = of_patients + of_trainings
    return float(student.ppf((1 + CONFIDENCE) / 2, freedom * (total / of_trainings) ** 2) * np.sqrt(total))


def _sources(of_patients: float, of_trainings: float) -> dict[str, float | str]:
    larger = "unknown" if np.isnan(of_trainings) else "patients" if of_patients >= of_trainings else "trainings"
    return {"patients": np.sqrt(of_patients), "trainings": np.sqrt(of_trainings), "larger": larger}


def _unseen(patients: int) -> float:
    """Clopper and Pearson's end of a share that none of so many have, as in `bootstrap.intervals`."""
    return float(1 - 0.025 ** (1 / patients))


def _fewest_patients(training: Training, part: str) -> int:
    """The number of patients of the rarest class."""
    return int(_part(training, part).groupby("class")["patient"].nunique().min())
