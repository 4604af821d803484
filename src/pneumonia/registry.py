"""The MLflow model registry: a version for each evaluated run, and the champion among them."""

import hashlib
import importlib.metadata
from pathlib import Path

import keras
import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature

from pneumonia.params import Params
from pneumonia.tracking import store_lock

CHAMPION = "champion"


def register(
    params: Params, model: keras.Model, example: np.ndarray, figures: dict[str, dict[str, float]], data: Path
) -> str:
    """Log `model` to the active run, register it as `pneumonia-<task>`, and make it the champion if it deserves it.

    `example` is a film, uint8 (1, S, S, 1). `figures` are those of `evaluate`, `data` holds what the model was
    validated on. The champion moves only when the AUC on the same validation films improves; AUCs on other films
    cannot be compared. Returns the decision and its reason, which is also a tag of the version.
    """
    name = f"pneumonia-{params.task}"
    films = example.astype("float32")
    # Without the requirements MLflow loads the model again, in a process of its own, to find them: half a minute.
    requirements = [f"{package}=={importlib.metadata.version(package)}" for package in ("keras", "tensorflow", "numpy")]
    logged = mlflow.tensorflow.log_model(
        model,
        name="model",
        signature=infer_signature(films, keras.ops.convert_to_numpy(model(films))),
        input_example=films,
        pip_requirements=requirements,
        registered_model_name=name,
    )
    val_auc = figures["val"]["roc_auc"]
    tags = {
        "dataset": params.dataset,
        "model": params.model,
        "validation_films": _validation_films(data / "split.csv"),
        "val_auc": f"{val_auc:.6f}",
        "test_auc": f"{figures['test']['roc_auc']:.6f}",
    }
    client, version = MlflowClient(), str(logged.registered_model_version)
    with store_lock():
        wins, reason = _decide(_champion(client, name), tags)
        for key, value in {**tags, "decision": reason}.items():
            client.set_model_version_tag(name, version, key, value)
        if wins:
            client.set_registered_model_alias(name, CHAMPION, version)
    return f"{name} version {version} is {reason}"


def _validation_films(split: Path) -> str:
    """A fingerprint of which films validate and their classes, whatever the size at which they are packed."""
    films = pd.read_csv(split, dtype=str, keep_default_na=False)
    films = films.loc[films["part"] == "val", ["file", "patient", "class"]].sort_values("file")
    return hashlib.sha256(films.to_csv(index=False).encode()).hexdigest()


def _champion(client: MlflowClient, name: str) -> ModelVersion | None:
    try:
        return client.get_model_version_by_alias(name, CHAMPION)
    except MlflowException:
        return None


def _decide(champion: ModelVersion | None, tags: dict[str, str]) -> tuple[bool, str]:
    if champion is None:
        return True, "champion: there was none"
    name, theirs = f"version {champion.version}", champion.tags
    if not {"val_auc", "dataset", "validation_films"} <= set(theirs):
        return False, f"not champion: {name} has not the tags to compare with; move the alias by hand"
    if (theirs["dataset"], theirs["validation_films"]) != (tags["dataset"], tags["validation_films"]):
        if theirs["dataset"] == "phantom" and tags["dataset"] != "phantom":
            return True, f"champion: {name} knew generated films only, this one {tags['dataset']}"
        return (
            False,
            f"not champion: {name} was validated on other films, of {theirs['dataset']}; move the alias by hand",
        )
    better = float(tags["val_auc"]) > float(theirs["val_auc"])
    verdict = "champion" if better else "not champion"
    return better, f"{verdict}: validation AUC {tags['val_auc']}, that of {name} is {theirs['val_auc']}"
