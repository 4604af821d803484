"""`pneumonia suspects`: the films of a repeat whose labels may be mistakes, as a table and a contact sheet."""

from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from mlflow import MlflowClient

from pneumonia.errors import UserError
from pneumonia.evaluation.label_errors import suspect_labels, wrong_labels
from pneumonia.outputs import replaced_together
from pneumonia.params.load import load_params
from pneumonia.preparation.packed.films import open_images
from pneumonia.radiographs.caption import write_caption
from pneumonia.registry.address import existing_store
from pneumonia.registry.found_runs import find_run
from pneumonia.registry.repeat_runs import out_of_fold_table

SHOWN, COLUMNS = 48, 8


def write_suspects(named: str, output: Path, clean: Path = Path("data/clean")) -> str:
    """Write `suspects.csv` and `suspects.png`, of the films packed in `clean`, into `output`; what was found, in words.

    Raises:
        UserError: no such run, or one that is no repeat with folds.
    """
    experiment = load_params().tracking.experiment
    mlflow.set_tracking_uri(existing_store())
    client = MlflowClient()
    table = out_of_fold_table(client, find_run(client, experiment, named))
    suspects = suspect_labels(table)
    with replaced_together(output) as [partial]:
        suspects.to_csv(partial / "suspects.csv", index=False)
        _contact_sheet(suspects.head(SHOWN), clean).savefig(partial / "suspects.png", dpi=100)
    return (
        f"of {len(table)} labels about {wrong_labels(table):.0f} are estimated to be wrong, and {len(suspects)} are "
        f"suspect: {output}/suspects.csv and suspects.png, the likeliest mistakes first"
    )


def _contact_sheet(suspects: pd.DataFrame, clean: Path) -> Figure:
    index = pd.read_csv(clean / "index.csv", usecols=["file"], dtype=str, keep_default_na=False)["file"]
    row_of = {file: row for row, file in enumerate(index)}
    if unknown := [file for file in suspects["file"] if file not in row_of]:
        raise UserError(f"{clean}/index.csv has no {unknown[0]}; `dvc repro clean` with the repeat's data set packs it")
    images = open_images(clean)
    rows = max(1, -(-len(suspects) // COLUMNS))
    figure = Figure(figsize=(1.9 * COLUMNS, 2.3 * rows), layout="constrained")
    places = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in places:
        axes.set_axis_off()
    for axes, film in zip(places, suspects.itertuples(), strict=False):
        axes.imshow(np.asarray(images[row_of[film.file]]), cmap="gray", vmin=0, vmax=255)
        below = f"{film.label}: {film.probability_of_label:.2f}\n{film.suggested}: {film.probability_of_suggested:.2f}"
        write_caption(axes, film.file, 24, below, fontsize=7)
    figure.suptitle("labels that may be mistakes, the likeliest first: the label, and what is suggested")
    return figure
