"""What a registered version carries of the place that it is from (see `evaluation.home`)."""

from pathlib import Path

import numpy as np
import pandas as pd

from pneumonia.annotations.labels import WITHOUT_PNEUMONIA
from pneumonia.evaluation.film_measures import film_measures
from pneumonia.evaluation.home import HOME, QUANTILES, SALT_CHECK, Home, Measured, Stressed
from pneumonia.evaluation.outcome import Evaluation
from pneumonia.inference.familiarity import Familiarity
from pneumonia.inference.predictor import FAMILIARITY
from pneumonia.preparation.packed.films import open_images
from pneumonia.preparation.packed.recognition import film_hashes
from pneumonia.radiographs.deidentification import pseudonym

MEASURED = 2000
"""The most training films that are measured; all are hashed."""


def add_home(evaluation: Evaluation, data: Path, directory: Path) -> None:
    """Write `home.json` into `directory`, which has the files of a predictor. `data` holds `clean` and `split.csv`."""
    images = open_images(data / "clean")
    facts = pd.read_csv(data / "clean" / "index.csv", dtype={"patient": str, "file": str}, keep_default_na=False)
    films = pd.read_csv(data / "split.csv", dtype={"patient": str, "file": str}, keep_default_na=False)
    of_part = {part: films[films["part"] == part] for part in ("train", "val", "test")}
    seen = films[films["part"].isin(["train", "val"])]
    familiarity = Familiarity.load(directory / FAMILIARITY)
    of_test = evaluation.intervals["part"] == "test"
    rows = _finite(evaluation.intervals.loc[of_test, ["metric", "value", "low", "high"]])
    of_training = facts.set_index("file").loc[of_part["train"]["file"]]
    measured = of_part["train"].iloc[:: max(1, len(of_part["train"]) // MEASURED)]
    Home(
        films=sorted(film_hashes(images[row] for row in seen["image"])),
        patients=sorted(set(map(pseudonym, _their_own_names(seen)))),
        salt=pseudonym(SALT_CHECK),
        test={row.metric: Measured(value=row.value, low=row.low, high=row.high) for row in rows.itertuples()},
        stresses={
            row.films: Stressed(roc_auc=row.roc_auc, sensitivity=row.sensitivity, specificity=row.specificity)
            for row in _finite(evaluation.stressed).itertuples()
        },
        share_sick=float((~of_part["val"]["class"].isin(WITHOUT_PNEUMONIA)).mean()),
        unfamiliar=float(np.mean([bool(familiarity.remark_on(images[row])) for row in of_part["test"]["image"]])),
        quantiles=_quantiles(images[measured["image"].to_numpy()], of_training.loc[measured["file"]]),
        views=_views(of_training),
    ).save(directory / HOME)


def _finite(table: pd.DataFrame) -> pd.DataFrame:
    """The rows in which each figure is a finite number: JSON has no other, and the file could not be read again."""
    return table[np.isfinite(table.select_dtypes("number")).all(axis=1)]


def _their_own_names(films: pd.DataFrame) -> set[str]:
    """The patients as their own source calls them: where sources are merged, its folder is before film and patient."""
    folders = films["file"].str.partition("/")[0]
    return {patient.removeprefix(f"{of}/") for of, patient in zip(folders, films["patient"], strict=True)}


def _views(facts: pd.DataFrame) -> dict[str, float]:
    if "view" not in facts:
        return {}
    known = facts.loc[facts["view"] != "", "view"]
    return {str(view): float(share) for view, share in known.value_counts(normalize=True).items()}


def _quantiles(images: np.ndarray, facts: pd.DataFrame) -> dict[str, list[float]]:
    table = film_measures(images).assign(side=np.sqrt(facts["width"] * facts["height"]).to_numpy())
    if "age" in facts:
        table["age"] = pd.to_numeric(facts["age"], errors="coerce").to_numpy()
    table = table.dropna(axis="columns", how="all")
    return {str(name): values.dropna().quantile(list(QUANTILES)).tolist() for name, values in table.items()}
