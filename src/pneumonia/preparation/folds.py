"""Cross-validation: all films but those of the test in folds of whole patients, each of which validates once."""

import warnings

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from pneumonia.errors import UserError


def folds_of(films: pd.DataFrame, folds: int, seed: int) -> pd.Series:
    """The fold, 0 to `folds` - 1, of each of `films`, from its `file`, `patient`, `class` and, where there is one, its
    `site`.

    Patients are whole, and classes, of each site unless all sites are too small for that, as equally frequent in all
    folds as that allows (scikit-learn's `StratifiedGroupKFold`). The same films and seed give the same folds, whatever
    the films' order.

    Raises:
        UserError: a class has fewer patients than there are folds, or a fold got none of its films.
    """
    for name, of_class in films.groupby("class"):
        if (patients := of_class["patient"].nunique()) < folds:
            raise UserError(f"split.folds is {folds}; it may be {patients}, since class {name!r} has no more patients")
    ordered = films.sort_values("file")
    strata = ordered["class"] + (" of " + ordered["site"].astype(str) if "site" in ordered else "")
    if strata.value_counts().max() < folds:  # sites so small that none can be shared out, which scikit-learn refuses
        strata = ordered["class"]
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    fold = pd.Series(-1, index=ordered.index)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a small site with fewer films than folds
        for number, (_, held_out) in enumerate(splitter.split(ordered, strata, ordered["patient"])):
            fold.iloc[held_out] = number
    require_all_classes(ordered, fold, folds)
    return fold.reindex(films.index)


def require_all_classes(films: pd.DataFrame, fold: pd.Series, folds: int) -> None:
    """Check that each of `folds` holds films of each class.

    Raises:
        UserError: one does not.
    """
    counts = pd.crosstab(fold, films["class"]).reindex(np.arange(folds), fill_value=0)
    for number, row in counts.iterrows():
        if not (row > 0).all():
            raise UserError(
                f"fold {number} of {folds} has no films of class {row.idxmin()!r}; split.folds may be smaller"
            )
