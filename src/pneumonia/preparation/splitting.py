"""Which films train, which validate and which test: whole patients only, the same for the same seed."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from pneumonia.annotations.labels import to_classes
from pneumonia.errors import UserError
from pneumonia.outputs import whole_file
from pneumonia.params.load import Params

log = logging.getLogger(__name__)

COLUMNS = ["image", "file", "label", "class", "patient", "part"]


def split(params: Params, clean: Path, out: Path) -> None:
    """Write `out`, a row for each film of `clean/index.csv`: its row in `images.npy`, its class in the task, its part.

    `part` is `train`, `val`, `test`, or `excluded`: a training film of a patient in the official test split.

    Raises:
        UserError: a class has too few films, or its patients' films do not add up to `split.val_per_class`.
    """
    films = pd.read_csv(clean / "index.csv", dtype={"patient": str, "official_split": str}, keep_default_na=False)
    films["image"] = np.arange(len(films))
    numbers = to_classes(films["label"].tolist(), params.task, params.labels_opacities)
    films["class"] = np.array(params.classes)[numbers]
    films["part"] = assign_parts(films, params)
    with whole_file(out) as partial:
        films[COLUMNS].to_csv(partial, index=False)


def assign_parts(films: pd.DataFrame, params: Params) -> pd.Series:
    """The part of each film, from its `patient`, `class` and `official_split`.

    Raises:
        UserError: as `split`.
    """
    part = pd.Series("train", index=films.index)
    if (films["official_split"] == "test").any():
        part[films["official_split"] == "test"] = "test"
        leaking = (part == "train") & films["patient"].isin(films["patient"][part == "test"])
        if leaking.any():
            log.warning("%d training films are of patients in the official test split: left out", leaking.sum())
        part[leaking] = "excluded"
    else:
        wanted = (films["class"].value_counts() * params.split.test_fraction).round().astype(int).to_dict()
        test = _choose_patients(films, wanted, np.random.default_rng([params.seed, 0]))
        part[films["patient"].isin(test)] = "test"

    names = params.classes
    _require_test_films(films[part == "test"], names)
    candidates = films[part == "train"]
    wanted = dict.fromkeys(names, params.split.val_per_class)
    _require_enough(candidates, wanted)
    val = _choose_patients(candidates, wanted, np.random.default_rng([params.seed, 1]))
    part[films["patient"].isin(val) & (part == "train")] = "val"
    _require_exact(candidates[candidates["patient"].isin(val)], wanted)
    require_no_leak(films.assign(part=part))
    return part


def require_no_leak(films: pd.DataFrame) -> None:
    """Check that no patient has films in two of the parts that are used.

    Raises:
        AssertionError: one has; the split itself is broken, there is nothing for the user to mend.
    """
    used = films[films["part"] != "excluded"]
    leaks = used.groupby("patient")["part"].nunique()
    assert leaks.max() == 1, f"patient {leaks.idxmax()} is in more than one part"


def _choose_patients(films: pd.DataFrame, wanted: dict[str, int], rng: np.random.Generator) -> list[str]:
    """Whole patients in random order, each taken if the films still fit into the numbers `wanted` of their classes.

    Patients with a single film are common enough to fill the last gaps.
    """
    films_of = pd.crosstab(films["patient"], films["class"]).reindex(columns=list(wanted), fill_value=0).sort_index()
    counts = films_of.to_numpy()
    remaining = np.array([wanted[name] for name in films_of.columns])
    chosen = []
    for row in rng.permutation(len(films_of)):
        if counts[row].sum() and (counts[row] <= remaining).all():
            remaining = remaining - counts[row]
            chosen.append(films_of.index[row])
    return chosen


def _require_enough(films: pd.DataFrame, wanted: dict[str, int]) -> None:
    for name, number in wanted.items():
        there = int((films["class"] == name).sum())
        if there <= number:
            raise UserError(
                f"class {name!r} has {there} films to train and validate on; split.val_per_class needs {number}, "
                "and at least one more to train on"
            )


def _require_test_films(test: pd.DataFrame, names: list[str]) -> None:
    for name in names:
        if not (test["class"] == name).any():
            raise UserError(
                f"the test part has no film of class {name!r} (of {len(test)}); split.test_fraction may be larger, "
                "or the source's test films must have both classes"
            )


def _require_exact(val: pd.DataFrame, wanted: dict[str, int]) -> None:
    for name, number in wanted.items():
        there = int((val["class"] == name).sum())
        if there != number:
            may_be = f"may be {there}" if there else "needs patients with fewer films"
            raise UserError(
                f"whole patients of class {name!r} add up to {there} validation films, not to {number}; "
                f"split.val_per_class {may_be}"
            )
