"""Cross-validate recipes on Kermany's films: `python experiments/recipes.py NAME...`, of recipes.yaml.

A recipe is trained once for each `--held-out` (see held_out.py), without these films, which then score it, as they are
and stressed (a tenth of the patients chooses the epoch): a row each in results.csv. `data` is what `dvc repro` made of
the films, packed at the size that is wanted. With `--rsna`, a `data` folder of RSNA's films, each is asked of that
hospital's films as well. What a model says of official test films is put aside, in `runs`, to be looked at when the
recipe is chosen.
"""

import argparse
import json
import math
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import pandas as pd
import yaml
from held_out import HELD_OUT, parts
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from pneumonia.annotations.labels import count_healthy, to_classes
from pneumonia.errors import UserError, exit_on_user_error
from pneumonia.evaluation.alterations import WITHOUT_LUNGS
from pneumonia.evaluation.metrics import compute_metrics
from pneumonia.evaluation.parts import Part, predict_parts, probabilities_of
from pneumonia.evaluation.shortcuts import stressed_auc
from pneumonia.inference.probabilities import probability_of_pneumonia
from pneumonia.outputs import whole_file
from pneumonia.params.load import Params, load_params
from pneumonia.preparation.packed.films import open_images, read_part
from pneumonia.preparation.rebalancing import draw_rows
from pneumonia.training.fitting import train

HERE, DATA = Path(__file__).parent, Path("data")


def main() -> None:
    """Run the recipes that are named."""
    recipes = yaml.safe_load((HERE / "recipes.yaml").read_text())
    parser = argparse.ArgumentParser(description="Cross-validate recipes.")
    parser.add_argument("names", nargs="+", choices=recipes, metavar="NAME", help=", ".join(recipes))
    parser.add_argument("--held-out", nargs="+", choices=HELD_OUT, default=HELD_OUT)
    parser.add_argument("--rsna", type=Path, help="a `data` folder of RSNA's films, packed at the same size")
    asked = parser.parse_args()
    for name in asked.names:
        for held_out in asked.held_out:
            print(json.dumps(row := run(name, recipes[name], held_out, asked.rsna)))
            replace_row(row)


def replace_row(row: dict[str, Any]) -> None:
    """Put the row into results.csv, in place of an earlier one of this training."""
    path, table = HERE / "results.csv", pd.DataFrame([row])
    if path.exists():
        earlier = pd.read_csv(path, dtype={"held_out": str})
        same = (earlier["recipe"] == row["recipe"]) & (earlier["held_out"] == row["held_out"])
        table = pd.concat([earlier[~same], table])
    with whole_file(path) as partial:
        table.to_csv(partial, index=False)


def run(name: str, changes: dict[str, Any], held_out: str, rsna: Path | None) -> dict[str, Any]:
    """Train with `changes` on all films but those held out and score on these; the row of results.csv."""
    params = params_with(changes, seed=int(held_out) if held_out.isdigit() else 0)
    folder = HERE / "runs" / f"{name}-{held_out}"
    folder.mkdir(parents=True, exist_ok=True)
    other_images = packed(rsna, params.clean.image_size) if rsna else None  # told before any work
    images = packed(DATA, params.clean.image_size)
    names = params.classes
    films = pd.read_csv(DATA / "split.csv", dtype={"patient": str}, keep_default_na=False)
    films = films[films["part"] != "excluded"]
    classes = [names[number] for number in to_classes(films["label"].tolist(), params.task, params.labels_opacities)]
    films = films.assign(**{"part": parts(held_out, films, images), "class": classes})
    films.to_csv(split := folder / "split.csv", index=False)
    rows = draw_rows(films[films["part"] == "train"].reset_index(drop=True), params.rebalance.method, params.seed)
    started = time.monotonic()
    trained = train(params, images, rows, read_part(split, "choose", names)[:2], on_epoch=lambda state: None)
    seconds = time.monotonic() - started
    trained.model.save(folder / "model.keras")
    predicted, _ = predict_parts(trained.model, images, split, names)
    scored = {part: scores(each, names) for part, each in predicted.items()}
    (folder / "test.json").write_text(json.dumps(scored["test"]))
    row = {"recipe": name, "held_out": held_out, "seconds": round(seconds), **scored["val"]}
    return row | {"elsewhere/roc_auc": auc_elsewhere(trained.model, rsna, other_images, names) if rsna else math.nan}


def packed(data: Path, size: int) -> np.ndarray:
    """The packed films of a `data` folder, uint8 (N, S, S).

    Raises:
        UserError: they are not of `size` pixels.
    """
    images = open_images(data / "clean")
    if images.shape[1] != size:
        raise UserError(f"{data / 'clean'} is packed at {images.shape[1]} pixels; the recipe wants {size}")
    return images


def auc_elsewhere(model: keras.Model, rsna: Path, images: np.ndarray, names: list[str]) -> float:
    """The AUC of the packed `images` of RSNA's normal films against those with an opacity, without its test films.

    It is the mean of those of each view (AP, PA): who is too ill to stand is taken AP, so the view tells the class.
    """
    films = pd.read_csv(rsna / "split.csv", keep_default_na=False).merge(
        pd.read_csv(rsna / "clean" / "index.csv", keep_default_na=False)[["file", "view"]], on="file"
    )
    films = films[films["part"].isin(["train", "val"]) & (films["label"] != "not_normal")]
    predicted = probabilities_of(model, images, films["image"].to_numpy())
    films["probability"] = probability_of_pneumonia(predicted, count_healthy(names))
    views = [roc_auc_score(view["label"] != "normal", view["probability"]) for _, view in films.groupby("view")]
    return round(float(np.mean(views)), 4)


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


def scores(part: Part, names: list[str]) -> dict[str, float]:
    """What recipes are compared by: AUC and balanced accuracy at 0.5 of films as they are, stressed, without lungs."""
    found = compute_metrics(part.truth, part.probabilities, names, 0.5)
    kinds = ("bacterial_against_viral/roc_auc", "classes/accuracy")
    measured = {
        "roc_auc": found["roc_auc"],
        "stress/roc_auc": stressed_auc(part.altered, part.sick),
        "balanced_accuracy": balanced_accuracy_score(part.sick, part.probability >= 0.5),
        "stress/balanced_accuracy": balanced_accuracy_score(part.stressed.sick, part.stressed.probability >= 0.5),
        **{name: roc_auc_score(part.sick, part.altered[name]) for name in WITHOUT_LUNGS},
        **{name: found.get(name, math.nan) for name in kinds},
    }
    return {name: round(float(value), 4) for name, value in measured.items()}


if __name__ == "__main__":
    with exit_on_user_error():
        main()
