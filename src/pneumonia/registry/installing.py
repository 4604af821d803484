"""The trained model that comes with the package goes into the registry: a fresh machine has one to try at once."""

import json
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from pneumonia.errors import UserError, few
from pneumonia.inference.predictor import FILES, TWIN
from pneumonia.outputs import fingerprint
from pneumonia.registry.finding import every
from pneumonia.registry.pyfunc_model import log_radiograph_model
from pneumonia.registry.store import open_store
from pneumonia.registry.versions import CHALLENGER, CHAMPION, INSTALLED, give_alias

MODEL_TO_TRY = Path(__file__).parents[1] / "model_to_try"
"""The model that comes with the package, which no other model need carry."""

NAME = "pneumonia-binary"
CARD, TAGS = "card.md", "tags.json"
"""What is in `MODEL_TO_TRY` besides the files of a predictor: the version's description and its tags."""

EXPERIMENT = "installed"
"""Apart from the runs of the pipeline, which are compared with each other."""


def install_model() -> str:
    """Register the model in `MODEL_TO_TRY`, unless it is registered already, and give it its alias.

    It becomes champion where there is none, or where the champion knew generated films only; else challenger, since it
    brings no predictions by which it could be compared. Returns what was done, in words.

    Raises:
        UserError: this package brings no model, or the store cannot be used.
    """
    if missing := [file for file in (*FILES, TWIN, CARD, TAGS) if not (MODEL_TO_TRY / file).is_file()]:
        raise UserError(
            f"{MODEL_TO_TRY}: {few(missing)} not there, so this package brings no model; "
            "`python tools/model_to_try.py` puts a registered one there"
        )
    client = open_store(EXPERIMENT)
    digest = fingerprint([MODEL_TO_TRY / file for file in (*FILES, TWIN)])
    for version in every(lambda page_token: client.search_model_versions(f"name='{NAME}'", page_token=page_token)):
        if version.tags.get(INSTALLED) == digest:
            return f"{NAME} version {version.version} is that model already"
    with mlflow.start_run(run_name="model to try"):
        logged = log_radiograph_model(MODEL_TO_TRY, "model", registered_model_name=NAME)
    number = str(logged.registered_model_version)
    MlflowClient().update_model_version(NAME, number, description=(MODEL_TO_TRY / CARD).read_text(encoding="utf-8"))
    tags = json.loads((MODEL_TO_TRY / TAGS).read_text(encoding="utf-8"))
    return give_alias(NAME, number, {**tags, INSTALLED: digest}, lambda champion: _alias_and_reason(champion, tags))


def _alias_and_reason(champion: ModelVersion | None, tags: dict[str, str]) -> tuple[str, str]:
    if champion is None:
        return CHAMPION, "there was none"
    if champion.tags.get("dataset") == "phantom":
        return CHAMPION, f"version {champion.version} knew generated films only, this one {tags['dataset']}"
    return CHALLENGER, (
        f"it brings no validation predictions to compare with version {champion.version}; "
        "`pneumonia promote` moves the alias by hand"
    )
