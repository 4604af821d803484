r"""The registered model: it takes radiographs as they are and gives a table, in Python and over HTTP.

    mlflow models serve --model-uri models:/pneumonia-binary@champion --env-manager local --port 8000
    printf '{"dataframe_records": [{"film": "%s"}]}' "$(base64 < film.jpeg | tr -d '\n')" |
        curl --json @- http://127.0.0.1:8000/invocations

    mlflow.pyfunc.load_model("models:/pneumonia-binary@champion").predict([Path("film.jpeg")])

A film is the bytes of a file, its base64 text, or a `Path`. Text is never taken for a path: over HTTP there are only
texts and bytes, so no request can name a file of the server. A film that cannot be used refuses the whole request, with
status 400 and the reason. The server reads a request before the model sees it, so a proxy in front must limit its size
(`client_max_body_size` of nginx).
"""

import base64
import binascii
import importlib.metadata
import io
import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import mlflow
import numpy as np
import pandas as pd
import yaml
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from PIL import Image

from pneumonia.errors import UserError
from pneumonia.evaluation.home import HOME
from pneumonia.inference.decision import Decision
from pneumonia.inference.predictor import DECISION, FILES, MAX_BYTES, TWIN, Prediction, Predictor, boxes_as_json
from pneumonia.inference.requirements import OF_BOXES, OF_TWIN, READER

T = TypeVar("T")

REQUIREMENTS = (*READER, "mlflow-skinny", "pandas", "pyyaml")
"""What the package code in the model imports to predict."""
OF_KERAS = ("h5py", "keras", "tensorflow")
"""What it imports besides, where there is no twin."""

SITE = "site"
"""The parameter of a request that says whose films these are, where a version has decisions for several sites."""

OUTPUTS = {
    "label": DataType.string,
    "probability": DataType.double,
    "threshold": DataType.double,
    "model_version": DataType.string,
    "remark": DataType.string,
}
"""The columns of a row: those of `predictor.Prediction`, and which model gave it. A localiser has `boxes` too."""


class RefusedFilm(MlflowException):
    """A film that cannot be used. MLflow's server puts the request before the message; a client gets the reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, error_code=BAD_REQUEST)
        self.reason = reason

    def serialize_as_json(self) -> str:
        """The body of the response."""
        return json.dumps({"error_code": self.error_code, "message": self.reason})


class RadiographModel(PythonModel):
    """A `Predictor` as MLflow calls it."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the predictor and have it answer once, so that the first request is no slower."""
        artifacts = Path(context.artifacts[DECISION]).parent
        self.predictor = Predictor.load(artifacts)
        self.model_version = model_version(artifacts.parent)
        size = self.predictor.decision.image_size
        self.predictor.probabilities(np.zeros((1, size, size), np.uint8))

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """A row a film of the first column, in their order, with the columns `OUTPUTS` and those of `_class_columns`.

        For a localiser `boxes` is JSON, a list of objects with the fields of `predictor.Detection`.

        `params` may name the `SITE`, whose decision is used then.

        Raises:
            RefusedFilm: one that cannot be used, or a site that there is no decision for.
        """
        predictor = self._predictor_for((params or {}).get(SITE, ""))
        sources = [_source(number, film) for number, film in enumerate(model_input.iloc[:, 0])]
        rows = []
        for number, prediction in enumerate(predictor.predict_files(sources)):
            if not isinstance(prediction, Prediction):
                raise RefusedFilm(f"film {number}: {prediction}")
            columns = {"model_version": self.model_version, **vars(prediction)}
            row = {name: columns[name] for name in OUTPUTS} | _class_columns(prediction.probabilities)
            rows.append(row if prediction.boxes is None else {**row, "boxes": boxes_as_json(prediction.boxes)})
        return pd.DataFrame(rows)

    def _predictor_for(self, site: str) -> Predictor:
        try:
            return self.predictor.at(site) if site else self.predictor
        except UserError as error:
            raise RefusedFilm(str(error)) from error


def log_radiograph_model(directory: Path, name: str, registered_model_name: str | None = None) -> ModelInfo:
    """Log the predictor in `directory` to the active run, and register it under any name given.

    Of `directory` it takes `predictor.FILES`, and the `TWIN` and `home.HOME` where it has them.

    The package's code goes with it, so the model works the same after the repository has moved on. Its example is a
    grey ramp, since a film may be a patient's.

    Raises:
        UserError: no decision in `directory`.
    """
    decision = Decision.load(directory / "decision.json")
    package = Path(__file__).parents[1]
    outputs = {**OUTPUTS, **_class_columns(dict.fromkeys(decision.classes, DataType.double))}
    if decision.localization:
        outputs["boxes"] = DataType.string
    files = [*FILES, *(file for file in (TWIN, HOME) if (directory / file).is_file())]
    with TemporaryDirectory() as copies:  # MLflow takes no links, as which DVC may have the files
        for file in files:
            shutil.copyfile(directory / file, Path(copies) / file)
        code = Path(copies) / package.name
        shutil.copytree(package, code, ignore=shutil.ignore_patterns("__pycache__", "model_to_try"))  # see `installing`
        return mlflow.pyfunc.log_model(
            name=name,
            python_model=str(package / "registry" / "pyfunc_entry.py"),
            code_paths=[str(code)],
            artifacts={file: str(Path(copies) / file) for file in files},
            input_example=pd.DataFrame({"film": [_ramp(max(decision.image_size, decision.min_size))]}),
            signature=_signature(outputs, has_sites=bool(decision.sites)),
            # Without these MLflow loads the model again to find them, in a process of its own: half a minute.
            pip_requirements=[f"{each}=={importlib.metadata.version(each)}" for each in _requirements(decision, files)],
            registered_model_name=registered_model_name,
        )


def _signature(outputs: dict[str, DataType], has_sites: bool) -> ModelSignature:
    # The column has no name there, so that a bare list of films will do as well as a table.
    films = Schema([ColSpec(DataType.string)])
    rows = Schema([ColSpec(kind, column) for column, kind in outputs.items()])
    if not has_sites:
        return ModelSignature(films, rows)
    return ModelSignature(films, rows, ParamSchema([ParamSpec(SITE, DataType.string, "")]))


def model_version(model: Path) -> str:
    """The registered version that the MLflow model in `model` was taken from, or else `run` and the run's id."""
    registered = model / "registered_model_meta"  # written beside MLmodel when a models:/ address is resolved
    version = yaml.safe_load(registered.read_text())["model_version"] if registered.is_file() else None
    if version is not None:
        return str(version)
    return f"run {Model.load(model).run_id}"


def _requirements(decision: Decision, files: list[str]) -> list[str]:
    of_boxes = OF_BOXES if decision.localization else ()
    return sorted([*REQUIREMENTS, *(OF_TWIN if TWIN in files else OF_KERAS), *of_boxes])


def _class_columns(of_class: dict[str, T]) -> dict[str, T]:
    """A column for each class where there are more than two; with two, `probability` says all."""
    return {f"probability_{name}": value for name, value in of_class.items()} if len(of_class) > 2 else {}


def _ramp(size: int) -> str:
    """A grey ramp of `size` x `size` pixels as a PNG in base64: what a request looks like."""
    file = io.BytesIO()
    Image.linear_gradient("L").resize((size, size)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def _source(number: int, film: object) -> Path | bytes:
    if isinstance(film, str):
        try:
            film = base64.b64decode("".join(film.split()), validate=True)  # `base64` wraps its lines
        except (binascii.Error, ValueError) as error:
            raise RefusedFilm(
                f"film {number}: text that is no base64; the path of a file must be a pathlib.Path"
            ) from error
    if not isinstance(film, Path | bytes):
        raise RefusedFilm(f"film {number}: is {type(film).__name__}; it may be bytes, base64 text or a pathlib.Path")
    if isinstance(film, bytes) and len(film) > MAX_BYTES:
        raise RefusedFilm(f"film {number}: too long: {len(film):,} bytes, at most {MAX_BYTES:,} are read")
    return film
