"""A registered model as files, downloaded as they are: MLflow's own loader takes seconds more to start."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pneumonia.errors import UserError
from pneumonia.params.paths import user_path

if TYPE_CHECKING:
    from mlflow import MlflowClient


def existing_store() -> str:
    """The address of the MLflow store: `MLFLOW_TRACKING_URI`, or else `mlflow.db` of the main repository.

    Raises:
        UserError: there is no such database. (MLflow would make it, and find it empty.)
    """
    store = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{user_path('mlflow.db').resolve()}"
    if store.startswith("sqlite:///") and not Path(store.removeprefix("sqlite:///")).is_file():
        raise UserError(f"no registry at {store}; `dvc repro` makes one, in the repository's main folder")
    return store


@contextmanager
def registered_model(address: str) -> Iterator[tuple[Path, str]]:
    """Yield a directory with the files of the classifier at `address` (see `predictor.FILES`), and its version.

    `address` is `models:/NAME@ALIAS` or `models:/NAME/VERSION`, in the registry of `MLFLOW_TRACKING_URI` or else in
    `mlflow.db` of the main repository.

    Raises:
        UserError: another form, no such registry, name, alias or version, or a model of another kind.
    """
    parts = re.fullmatch(r"models:/(?P<name>[^/@]+)(@(?P<alias>[^/@]+)|/(?P<version>\d+))", address)
    if not parts:
        raise UserError(f"model is {address!r}; it may be models:/NAME@ALIAS or models:/NAME/VERSION")
    store = existing_store()
    import mlflow

    mlflow.set_tracking_uri(store)
    with TemporaryDirectory() as directory:
        try:
            version = _find_version(mlflow.MlflowClient(), store, **parts.groupdict())
            whole = f"models:/{parts['name']}/{version}"
            model = Path(mlflow.artifacts.download_artifacts(artifact_uri=whole, dst_path=directory))
        except UserError:
            raise
        # A store can be wrong in as many ways as there are databases, drivers and networks.
        except Exception as error:
            raise UserError(f"{address} cannot be had from {store}: {str(error).partition(chr(10))[0]}") from error
        if not (model / "artifacts" / "decision.json").is_file():
            raise UserError(f"{whole} is a model of another kind: it has no artifacts/decision.json")
        yield model / "artifacts", version


def _find_version(client: "MlflowClient", store: str, name: str, alias: str | None, version: str | None) -> str:
    models = {model.name: model for model in client.search_registered_models()}
    if not models:
        raise UserError(f"the registry at {store} is empty; `dvc repro` registers a model")
    if name not in models:
        raise UserError(f"no model {name!r} in the registry at {store}; it has {', '.join(sorted(models))}")
    if alias is None:
        versions = [str(each.version) for each in client.search_model_versions(f"name = '{name}'")]
        if version not in versions:
            raise UserError(f"{name} has no version {version}; it has {', '.join(sorted(versions, key=int))}")
        return version
    aliases = models[name].aliases
    if alias not in aliases:
        raise UserError(f"{name} has no alias {alias!r}; it has {', '.join(sorted(aliases)) or 'none'}")
    return str(aliases[alias])
