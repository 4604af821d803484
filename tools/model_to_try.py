"""Puts a registered model into the package, as the one that `pneumonia install-model` installs.

    dvc exp run -S dataset=kermany -S model=mobilenet_v2 -S models.mobilenet_v2.alpha=0.35 -S clean.image_size=128
    python tools/model_to_try.py models:/pneumonia-binary/VERSION

Its files, its card with the attribution, and its tags go to src/pneumonia/model_to_try.
"""

import json
import shutil
import sys

from mlflow import MlflowClient

from pneumonia.errors import UserError, exit_on_user_error
from pneumonia.inference.decision import Decision
from pneumonia.inference.predictor import DECISION, FILES, TWIN
from pneumonia.outputs import whole_directory
from pneumonia.registry.installing import CARD, MODEL_TO_TRY, NAME, TAGS
from pneumonia.registry.version_files import registered_model
from pneumonia.registry.versions import open_registry

NOTICE = (
    "This model is for films of children's chests, and no medical device: nothing it says may decide how a person is "
    "treated."
)

ABOUT = """> **For films of children's chests, and no medical device.** It comes with the package to be tried.

## Where it is from
Trained on the chest radiographs of Kermany, Zhang, Goldbaum: *Labeled Optical Coherence Tomography (OCT) and Chest
X-Ray Images for Classification*, Mendeley Data, version 2, 2018, https://doi.org/10.17632/rscbjbr9sj.2, licensed under
[CC BY 4.0](https://creativecommons.org/licenses/by/4.0/), described in Kermany et al., *Identifying Medical Diagnoses
and Treatable Diseases by Image-Based Deep Learning*, Cell 172 (2018). They were cleaned and resized for it; no film is
in here.

## What it does not know
All films are of children of one to five years, from one hospital (Guangzhou Women and Children's Medical Center). It
knows no adults, no other hospital, no lateral films, and no disease but pneumonia. Part of what it goes by may be
around the lungs. Its own test films chose nothing, but test metrics of other models on the same films were known when
the recipe was chosen.

"""

KEPT = ("dataset", "model", "threshold", "temperature", "shortcuts", "git.commit", "onnx")
"""The tags that tell of the model. One of the validation films would promise a comparison that it cannot have."""


def main(address: str) -> None:
    """Copy the version at `address` into the package."""
    with registered_model(address) as (directory, number):
        if not (directory / TWIN).is_file():
            raise UserError(f"{address} has no ONNX twin; one that has may be installed without TensorFlow")
        open_registry()
        version = MlflowClient().get_model_version(NAME, number)
        with whole_directory(MODEL_TO_TRY) as folder:
            for file in (*FILES, TWIN):
                shutil.copyfile(directory / file, folder / file)
            Decision.load(folder / DECISION).model_copy(update={"notice": NOTICE}).save(folder / DECISION)
            title, _, rest = (version.description or "").partition("\n")
            (folder / CARD).write_text(f"{title}\n\n{ABOUT}{rest.lstrip()}", encoding="utf-8")
            tags = {
                key: value for key, value in version.tags.items() if key in KEPT or key.startswith(("val.", "test."))
            }
            (folder / TAGS).write_text(json.dumps(tags, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    size = sum(file.stat().st_size for file in MODEL_TO_TRY.iterdir())
    print(f"{MODEL_TO_TRY}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    with exit_on_user_error():
        if len(sys.argv) != 2:
            raise UserError("it takes one argument, models:/pneumonia-binary/VERSION")
        main(sys.argv[1])
