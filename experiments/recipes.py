"""Cross-validate recipes on Kermany's films: `python experiments/recipes.py NAME...`, of recipes.yaml.

A recipe is trained three times, each time without another fifth of the patients, whose films then score it, as they
are and stressed; and once without all normal films of one of the two series, which score it then: a row each in
results.csv. `data` is what `dvc repro` made of the films, packed at the size that is wanted. Official test films choose
nothing: what a model says of them is put aside, in `runs`, for a question that is asked last, whether any score of
validation films had told of them.
"""

import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import yaml
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from pneumonia.dataset import open_images, read_part
from pneumonia.decision import probability_of_pneumonia
from pneumonia.errors import exit_on_user_error
from pneumonia.evaluation.alterations import WITHOUT_LUNGS
from pneumonia.evaluation.metrics import figures
from pneumonia.evaluation.parts import Part, predict_parts
from pneumonia.evaluation.shortcuts import stressed_auc
from pneumonia.labels import class_names, to_classes
from pneumonia.params import Params, load_params
from pneumonia.rebalancing import draw_rows
from pneumonia.splitting import require_no_leak
from pneumonia.training import train

HERE, DATA = Path(__file__).parent, Path("data")
FOLDS = 5
HELD_OUT = (0, 1, 2, "NORMAL2-IM")
"""Folds, and a series of normal films."""


def main() -> None:
    """Run the recipes that are named."""
    recipes = yaml.safe_load((HERE / "recipes.yaml").read_text())
    for name in sys.argv[1:]:
        for held_out in HELD_OUT:
            print(json.dumps(row := run(name, recipes[name], held_out)))
            results = HERE / "results.csv"
            pd.DataFrame([row]).to_csv(results, mode="a", header=not results.exists(), index=False)


def run(name: str, changes: dict[str, Any], held_out: int | str) -> dict[str, Any]:
    """Train with `changes` on all films but those held out and score on these; the row of results.csv."""
    seed = held_out if isinstance(held_out, int) else 0
    params, folder = params_with(changes, seed), HERE / "runs" / f"{name}-{held_out}"
    folder.mkdir(parents=True, exist_ok=True)
    films, images = with_validation_films(held_out, params), open_images(DATA / "clean")
    films.to_csv(split := folder / "split.csv", index=False)
    names = class_names(params.task, params.dataset)
    rows = draw_rows(films[films["part"] == "train"].reset_index(drop=True), params.rebalance.method, seed)
    started = time.monotonic()
    trained = train(params, images, rows, read_part(split, "val", names)[:2], on_epoch=lambda state: None)
    seconds = time.monotonic() - started
    trained.model.save(folder / "model.keras")
    parts, _ = predict_parts(trained.model, images, split, names)
    scored = {part: scores(each, names) for part, each in parts.items()}
    (folder / "test.json").write_text(json.dumps(scored["test"]))
    return {"recipe": name, "held_out": held_out, "seconds": round(seconds), **scored["val"]}


def params_with(changes: dict[str, Any], seed: int) -> Params:
    """`params.yaml` with `changes` by dotted key."""
    values = yaml.safe_load(Path("params.yaml").read_text())
    for key, value in {**changes, "seed": seed}.items():
        *blocks, last = key.split(".")
        block = values
        for each in blocks:
            block = block[each]
        block[last] = value
    with TemporaryDirectory() as folder:
        (path := Path(folder) / "params.yaml").write_text(yaml.safe_dump(values))
        return load_params(path)


def with_validation_films(held_out: int | str, params: Params) -> pd.DataFrame:
    """`split.csv` with other films to validate, and with the classes of the task.

    They are a fold of the patients; or all normal films of a series and the sick ones of the first fold.
    """
    films = pd.read_csv(DATA / "split.csv", dtype={"patient": str}, keep_default_na=False)
    films = films[films["part"] != "excluded"].copy()
    ours = films[films["part"] != "test"]
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(ours, ours["label"], ours["patient"])
    fold = ours.index[list(folds)[held_out if isinstance(held_out, int) else 0][1]]
    films.loc[ours.index, "part"] = "train"
    films.loc[fold, "part"] = "val"
    if isinstance(held_out, str):
        normal = films["part"].isin(["train", "val"]) & (films["label"] == "normal")
        films.loc[normal, "part"] = np.where(films["patient"].str.startswith(held_out), "val", "train")[normal]
    classes = class_names(params.task, params.dataset)
    films["class"] = [classes[n] for n in to_classes(films["label"].tolist(), params.task, params.dataset)]
    require_no_leak(films)
    return films


def scores(part: Part, names: list[str]) -> dict[str, float]:
    """What recipes are compared by: AUC and balanced accuracy at 0.5 of films as they are, stressed, without lungs."""
    sick, found = part.sick, figures(part.truth, part.uncalibrated, names, 0.5)
    uncalibrated = probability_of_pneumonia(part.uncalibrated, part.healthy)
    kinds = {name: found[name] for name in ("bacterial_against_viral/roc_auc", "classes/accuracy") if name in found}
    measured = {
        "roc_auc": found["roc_auc"],
        "stress/roc_auc": stressed_auc(part.altered, sick),
        "balanced_accuracy": balanced_accuracy_score(sick, uncalibrated >= 0.5),
        **{name: roc_auc_score(sick, part.altered[name]) for name in WITHOUT_LUNGS},
        **kinds,
    }
    return {name: round(float(value), 4) for name, value in measured.items()}


if __name__ == "__main__":
    with exit_on_user_error():
        main()
