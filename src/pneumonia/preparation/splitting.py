"""Which films train, which validate and which test: whole patients only, the same for the same seed."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from pneumonia.annotations.labels import WITHOUT_PNEUMONIA, to_classes
from pneumonia.errors import UserError
from pneumonia.outputs import whole_file
from pneumonia.params.load import Params
from pneumonia.params.paths import user_path
from pneumonia.preparation.corrections import correct
from pneumonia.preparation.folds import folds_of
from pneumonia.preparation.own_split import own_parts, require_copies_together

log = logging.getLogger(__name__)

COLUMNS = ["image", "file", "label", "class", "patient", "part"]


def split(params: Params, clean: Path, out: Path) -> None:
    """Write `out`, a row for each film of `clean/index.csv`: its row in `images.npy`, its class in the task, its part,
    and its `site` where that is known.

    `part` is `train`, `val`, `test`, or `excluded`: a training film of a patient in the official test split, or a film
    of that split where `split.leave_out` names another test.

    The film's label is that of `split.corrections` where it has one.

    Raises:
        UserError: a class has too few films or patients, or its patients' films do not add up to `split.val_per_class`;
            or as `own_parts`, `require_copies_together` and `correct`.
    """
    films = pd.read_csv(clean / "index.csv", dtype={"patient": str, "official_split": str}, keep_default_na=False)
    films["image"] = np.arange(len(films))
    numbers = to_classes(films["label"].tolist(), params.task, params.labels_opacities)
    films["class"] = np.array(params.classes)[numbers]
    if params.split.file and params.clean.near_duplicates == "group":
        pairs = pd.read_csv(clean / "near_duplicates.csv", dtype=str, keep_default_na=False)
        require_copies_together(pairs, user_path(params.split.file), params.split.folds)
    films["part"] = assign_parts(films, params)
    if params.split.corrections:
        films = correct(films, user_path(params.split.corrections))
        numbers = to_classes(films["label"].tolist(), params.task, params.labels_opacities)
        films["class"] = np.array(params.classes)[numbers]
        if params.task == "localize":
            _require_no_boxes(films, clean / "boxes.csv", params.split.corrections)
    with whole_file(out) as partial:
        films[COLUMNS + ["site"] * ("site" in films)].to_csv(partial, index=False)


def _require_no_boxes(films: pd.DataFrame, boxes: Path, corrections: str) -> None:
    """Check that no film that is healthy, as corrected, has boxes, from which a localiser would learn all the same."""
    with_boxes = films["file"].isin(pd.read_csv(boxes, dtype={"file": str})["file"])
    wrong = films[films["class"].isin(WITHOUT_PNEUMONIA) & with_boxes & (films["part"] != "excluded")]
    if len(wrong):
        raise UserError(
            f"{corrections}: {wrong.iloc[0]['file']!r} has boxes, so for task localize its label may not be "
            f"{wrong.iloc[0]['label']!r}; it may be drop"
        )


def assign_parts(films: pd.DataFrame, params: Params) -> pd.Series:
    """The part of each film, from its `file`, `patient`, `class`, `official_split` and, where that is known, `site`.

    Each site is split on its own: by its official test films, or else a share of its classes; validation films are
    shared out among the sites. With `split.leave_out` a site is the test part, and the official test films of others
    are left out.

    Raises:
        UserError: as `split`.
    """
    settings, names = params.split, params.classes
    seed = params.seed if settings.seed is None else settings.seed
    films = films.assign(cell=films["class"] if "site" not in films else films["site"] + "/" + films["class"])
    if settings.file:
        part = own_parts(films, user_path(settings.file), settings.folds, settings.fold)
        _require_test_films(films, part, names)
        _require_each_class(films, part, names)
    else:
        part = _test_or_train(films, params, seed)
        _require_test_films(films, part, names)
        if settings.folds:
            train = part == "train"
            fold = folds_of(films[train], settings.folds, seed)
            part[train] = (fold == settings.fold).map({True: "val", False: "train"})
        else:
            part = _with_validation(films, part, params, seed)
    require_no_leak(films.assign(part=part))
    return part


def _test_or_train(films: pd.DataFrame, params: Params, seed: int) -> pd.Series:
    """`test`, `train`, or `excluded`: the site that is left out, official test films, or else a share of each cell."""
    part = pd.Series("train", index=films.index)
    official = films["official_split"].eq("test").groupby(_sites(films)).transform("any")
    part[films["official_split"] == "test"] = "test"
    if params.split.leave_out is not None:
        part[part == "test"] = "excluded"
        part[_left_out(films, params.split.leave_out)] = "test"
    elif not official.all():
        others = films[~official]
        _require_patients(others, params.classes, ("train", "val", "test"))
        wanted = (others["cell"].value_counts() * params.split.test_fraction).round().astype(int).to_dict()
        test = _choose_patients(others, wanted, np.random.default_rng([seed, 0]))
        part[others.index[others["patient"].isin(test)]] = "test"
    leaking = (part == "train") & films["patient"].isin(films["patient"][part.isin(["test", "excluded"])])
    if leaking.any():
        log.warning("%d training films are of patients in the test part: left out", leaking.sum())
    part[leaking] = "excluded"
    return part


def _with_validation(films: pd.DataFrame, part: pd.Series, params: Params, seed: int) -> pd.Series:
    """`part` with `split.val_per_class` films of each class taken from `train`."""
    names, part = params.classes, part.copy()
    candidates = films[part == "train"]
    wanted = dict.fromkeys(names, params.split.val_per_class)
    _require_enough(candidates, films[part == "excluded"], wanted)
    _require_patients(candidates, names, ("train", "val"))
    val = _choose_patients(candidates, _by_site(candidates, wanted), np.random.default_rng([seed, 1]))
    part[films["patient"].isin(val) & (part == "train")] = "val"
    _require_exact(candidates, candidates["patient"].isin(val), wanted)
    return part


def _sites(films: pd.DataFrame) -> pd.Series:
    return films["site"] if "site" in films else pd.Series("", index=films.index)


def _left_out(films: pd.DataFrame, site: str) -> pd.Series:
    """Which films are of the `site` that is left out of the training.

    Raises:
        UserError: none are.
    """
    of_site = _sites(films) == site
    if not of_site.any():
        there = ", ".join(sorted(filter(None, _sites(films).unique()))) or "none, since the source tells no sites"
        raise UserError(f"split.leave_out is {site!r}; the sites of these films are {there}")
    return of_site


def _by_site(films: pd.DataFrame, wanted: dict[str, int]) -> dict[str, int]:
    """The numbers of films `wanted` of each class, shared out among the sites in proportion to their films of it."""
    shares: dict[str, int] = {}
    for name, number in wanted.items():
        of_class = films.loc[films["class"] == name, "cell"].value_counts().sort_index()
        upto = (of_class.cumsum() / of_class.sum() * number).round().astype(int)
        shares |= upto.diff().fillna(upto).astype(int).to_dict()
    return shares


def require_no_leak(films: pd.DataFrame) -> None:
    """Check that no patient has films in two of the parts that are used.

    Raises:
        AssertionError: one has; the split itself is broken, there is nothing for the user to mend.
    """
    used = films[films["part"] != "excluded"]
    leaks = used.groupby("patient")["part"].nunique()
    assert leaks.max() == 1, f"patient {leaks.idxmax()} is in more than one part"


def _choose_patients(films: pd.DataFrame, wanted: dict[str, int], rng: np.random.Generator) -> list[str]:
    """Whole patients in random order, each taken if the films still fit into the numbers `wanted` of their cells.

    Patients with a single film are common enough to fill the last gaps.
    """
    films_of = pd.crosstab(films["patient"], films["cell"]).reindex(columns=list(wanted), fill_value=0).sort_index()
    counts = films_of.to_numpy()
    remaining = np.array([wanted[name] for name in films_of.columns])
    chosen = []
    for row in rng.permutation(len(films_of)):
        if counts[row].sum() and (counts[row] <= remaining).all():
            remaining = remaining - counts[row]
            chosen.append(films_of.index[row])
    return chosen


def _require_patients(films: pd.DataFrame, names: list[str], parts: tuple[str, ...]) -> None:
    """A patient's films stay together, so a class needs as many patients as there are parts to fill."""
    for name in names:
        of_class = films[films["class"] == name]
        if 0 < of_class["patient"].nunique() < len(parts):
            raise UserError(
                f"class {name!r} has too few patients: {_crowd(of_class)}, and a patient's films stay in one part; "
                f"{', '.join(parts)} need a patient each"
            )


def _require_enough(films: pd.DataFrame, excluded: pd.DataFrame, wanted: dict[str, int]) -> None:
    for name, number in wanted.items():
        there = int((films["class"] == name).sum())
        if there <= number:
            left_out = excluded[excluded["class"] == name]
            why = f" beside those of patients in the official test split ({_crowd(left_out)})" if len(left_out) else ""
            raise UserError(
                f"class {name!r} has {there} films to train and validate on{why}; split.val_per_class needs {number}, "
                "and at least one more to train on"
            )


def _require_test_films(films: pd.DataFrame, part: pd.Series, names: list[str]) -> None:
    test = part == "test"
    for name in names:
        of_class = films["class"] == name
        if not (of_class & test).any():
            crowd = f" of {of_class.sum()} ({_crowd(films[of_class])})" if of_class.any() else ""
            raise UserError(
                f"the test part, {test.sum()} films, has none of class {name!r}{crowd}; split.test_fraction may be "
                "larger, or the source's test films must have both classes"
            )


def _require_each_class(films: pd.DataFrame, part: pd.Series, names: list[str]) -> None:
    for where in ("train", "val"):
        for name in names:
            if not ((films["class"] == name) & (part == where)).any():
                raise UserError(f"split.file gives {where} no film of class {name!r}; it needs some of each class")


def _crowd(films: pd.DataFrame) -> str:
    """The patient with the most of `films`, in words."""
    patients = films["patient"].value_counts()
    return f"{patients.iloc[0]} of {len(films)} films are of patient {patients.index[0]!r}"


def _require_exact(films: pd.DataFrame, val: pd.Series, wanted: dict[str, int]) -> None:
    for name, number in wanted.items():
        of_class = films["class"] == name
        there = int((of_class & val).sum())
        if there != number and not (there and "site" in films):  # the gaps of small sites cannot all be filled
            may_be = f"may be {there}" if there else f"needs patients with fewer films ({_crowd(films[of_class])})"
            raise UserError(
                f"whole patients of class {name!r} add up to {there} validation films, not to {number}; "
                f"split.val_per_class {may_be}"
            )
