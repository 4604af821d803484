"""A registered model as files, copied as they are: MLflow takes seconds to start, and its own loader still more."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pneumonia.errors import UserError, few
from pneumonia.registry.address import existing_store
from pneumonia.registry.local_version import find_local_version
from pneumonia.registry.places import refuse_absent

if TYPE_CHECKING:
    from mlflow import MlflowClient


def name_in(address: str) -> str:
    """The NAME in `address`, which is that of a model (see `registered_model`), or NAME alone."""
    return re.split("[@/]", address.removeprefix("models:/"))[0]


def card_of(name: str, version: str) -> str:
    """The description of a registered version: its model card."""
    import mlflow

    described = mlflow.MlflowClient(existing_store()).get_model_version(name, version).description
    return described or f"{name} version {version} was registered without a card.\n"


@contextmanager
def registered_model(address: str) -> Iterator[tuple[Path, str]]:
    """Yield a directory with the files of the classifier at `address` (see `predictor.FILES`), and its version.

    `address` is `models:/NAME@ALIAS` or `models:/NAME/VERSION`, in the registry of `MLFLOW_TRACKING_URI` or else in
    `mlflow.db` of the main repository.

    Raises:
        UserError: another form, no such registry, name, alias or version, files that are gone, or a model of another
            kind. One that names a file in the directory, while it is in use, is told with the model's address instead.
    """
    parts = re.fullmatch(r"models:/(?P<name>[^/@]+)(@(?P<alias>[^/@]+)|/(?P<version>\d+))", address)
    if not parts:
        raise UserError(f"model is {address!r}; it may be models:/NAME@ALIAS or models:/NAME/VERSION")
    store = existing_store()
    with TemporaryDirectory() as temporary:
        model = Path(temporary)
        local = find_local_version(store, **parts.groupdict())
        try:
            version = _copy(*local, model) if local else _download(store, **parts.groupdict(), to=model)
        except UserError:
            raise
        # A store can be wrong in as many ways as there are databases, drivers and networks.
        except Exception as error:
            raise UserError(f"{address} cannot be had from {store}: {str(error).partition(chr(10))[0]}") from error
        whole = f"models:/{parts['name']}/{version}"
        if not (model / "artifacts" / "decision.json").is_file():
            raise UserError(f"{whole} is a model of another kind: it has no artifacts/decision.json")
        try:
            yield model / "artifacts", version
        except UserError as error:  # the directory is gone when the user reads this
            raise UserError(str(error).replace(str(model), whole)) from error


def _copy(folder: Path, version: str, to: Path) -> str:
    """Copy the artifacts of a version whose files lie here: it may be deleted while it is in use.

    Beside a twin the Keras model, which is large and seldom read, is linked instead.
    """
    # Here, since a mistake in the address need not wait for it.
    from pneumonia.inference.predictor import KERAS_MODEL, TWIN

    artifacts = folder / "artifacts"
    if not artifacts.is_dir():
        return version
    linked = [KERAS_MODEL] if (artifacts / TWIN).is_file() and (artifacts / KERAS_MODEL).is_file() else []
    shutil.copytree(artifacts, to / "artifacts", ignore=lambda _, __: linked)
    for file in linked:
        (to / "artifacts" / file).symlink_to((artifacts / file).resolve())
    return version


def _download(store: str, name: str, alias: str | None, version: str | None, to: Path) -> str:
    import mlflow

    mlflow.set_tracking_uri(store)
    client = mlflow.MlflowClient()
    found = _find_version(client, store, name, alias, version)
    refuse_absent(client.get_model_version_download_uri(name, found), store)
    mlflow.artifacts.download_artifacts(artifact_uri=f"models:/{name}/{found}", dst_path=str(to))
    return found


def _find_version(client: "MlflowClient", store: str, name: str, alias: str | None, version: str | None) -> str:
    from pneumonia.registry.finding import find_model, find_version

    model = find_model(client, store, name)
    if version is not None:
        return str(find_version(client, name, version).version)
    if alias not in model.aliases:
        none = "; no version was found better than chance yet, and `pneumonia promote` makes one champion by hand"
        remark = none if alias == "champion" else ""
        raise UserError(f"{name} has no alias {alias!r}; it has {few(sorted(model.aliases))}{remark}")
    return str(model.aliases[alias])
