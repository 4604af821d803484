"""`params.yaml` as typed, validated objects: a mistake is one line, before any work starts."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, ValidationError, field_validator

from pneumonia.errors import UserError, exit_on_user_error

AUTO = {"clean": ["image_size"], "train": ["epochs", "batch_size", "learning_rate"]}
"""Where params.yaml may say `auto`."""
Whole = Annotated[StrictInt, Field(ge=0)]
Positive = Annotated[StrictInt, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(gt=0, le=1)]


class Block(BaseModel):
    """A block of params.yaml: every key is there, and no other."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Phantom(Block):
    """See `sources.phantom`."""

    patients: Annotated[StrictInt, Field(ge=1, le=100_000)]
    image_size: Annotated[StrictInt, Field(ge=64, le=2048)]
    format: Literal["jpeg", "png", "dicom"]
    seed: Whole


class Kermany(Block):
    """See `sources.kermany`."""

    path: Annotated[str, Field(min_length=1, max_length=4000)] | None
    origin: Literal["mendeley", "kaggle"]


class MedMnist(Block):
    """See `sources.medmnist`."""

    size: Literal[28, 64, 128, 224]


class Folder(Block):
    """See `sources.folder`."""

    path: Annotated[str, Field(min_length=1, max_length=4000)] | None


class Datasets(Block):
    """A block a source."""

    phantom: Phantom
    kermany: Kermany
    medmnist: MedMnist
    folder: Folder


class Recommended(Block):
    """What `auto` means for a dataset."""

    image_size: Annotated[StrictInt, Field(ge=32, le=1024)]
    batch_size: Positive
    epochs: Positive


class Recommendations(Block):
    """A block a source."""

    phantom: Recommended
    kermany: Recommended
    medmnist: Recommended
    folder: Recommended


class Compute(Block):
    """Where work on many files is spread."""

    scheduler: str
    workers: StrictInt

    @field_validator("scheduler")
    @classmethod
    def _known_scheduler(cls, scheduler: str) -> str:
        if not re.fullmatch(r"local|tcp://.+:\d+", scheduler):
            raise ValueError(f"is {scheduler!r}; it should be local or tcp://host:port")
        return scheduler

    @field_validator("workers")
    @classmethod
    def _some_workers(cls, workers: int) -> int:
        if workers != -1 and not 1 <= workers <= 1024:
            raise ValueError(f"is {workers}; it should be -1 (one a core) or a whole number from 1 to 1024")
        return workers


class Clean(Block):
    """See `cleaning`."""

    image_size: Annotated[StrictInt, Field(ge=32, le=1024)]
    min_size: Positive
    max_rejected: Annotated[float, Field(ge=0, le=1)]


class Split(Block):
    """See `splitting`."""

    val_per_class: Positive
    test_fraction: Annotated[float, Field(gt=0, lt=1)]


class Rebalance(Block):
    """See `rebalancing`."""

    method: Literal["none", "class_weight", "oversample", "undersample", "augment"]


class Augmentation(Block):
    """See `augmentation`."""

    apply_to: Literal["all", "repeats", "none"]
    rotation: Annotated[float, Field(ge=0, le=3.15)]
    zoom: Share
    shift: Share
    horizontal_flip: StrictBool
    brightness: Share
    contrast: Share


class Train(Block):
    """See `training`."""

    epochs: Positive
    batch_size: Positive
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"]
    learning_rate: Rate
    schedule: Literal["constant", "cosine", "plateau"]
    warmup_epochs: Whole
    loss: Literal["cross_entropy", "focal"]
    label_smoothing: Share
    monitor: Literal["val_loss", "val_auc"]
    patience: Positive
    precision: Literal["float32", "bfloat16", "float16"]
    augmentation: Augmentation


class Cnn(Block):
    """See `models.cnn`."""

    weights: Annotated[str, Field(min_length=1)]
    learning_rate: Rate

    @field_validator("weights")
    @classmethod
    def _none_published(cls, weights: str) -> str:
        if weights in ("auto", "imagenet"):
            raise ValueError(f"is {weights!r}, but there are no published ones; it should be random or a path")
        return weights


class Inception(Block):
    """See `models.inception`."""

    weights: str
    learning_rate: Rate
    head_learning_rate: Rate
    head_epochs: Positive
    fine_tune_from: str
    dropout: Share


class Models(Block):
    """A block a model."""

    cnn: Cnn
    inception: Inception


class Tracking(Block):
    """See `tracking`."""

    experiment: Annotated[str, Field(min_length=1)]


class Params(Block):
    """The whole of params.yaml, `auto` already replaced by what it means."""

    seed: Annotated[StrictInt, Field(ge=0, lt=2**32)]
    dataset: Literal["phantom", "kermany", "medmnist", "folder"]
    task: Literal["binary"]
    model: Literal["cnn", "inception"]
    datasets: Datasets
    recommended: Recommendations
    compute: Compute
    clean: Clean
    split: Split
    rebalance: Rebalance
    train: Train
    models: Models
    tracking: Tracking

    @property
    def chosen_model(self) -> Cnn | Inception:
        """The block of the model that is trained."""
        block: Cnn | Inception = getattr(self.models, self.model)
        return block


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check `path`.

    Raises:
        UserError: no such file, no YAML, an unknown or missing key, a wrong type or an impossible value.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 text") from error
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        raise UserError(f"{path}: is not YAML" + (f" at line {where.line + 1}" if where else "")) from error
    if not isinstance(values, dict):
        raise UserError(f"{path}: holds {type(values).__name__}, it must hold the blocks of parameters")
    try:
        return Params.model_validate(_without_auto(values))
    except ValidationError as error:
        raise UserError(f"{path}: {_one_line(error)}") from None


def user_path(path: str) -> Path:
    """A path that the user gave: relative ones start at the main repository, also in a `dvc exp` copy of it.

    Raises:
        UserError: a path that no file can have, or that may not be looked at.
    """
    try:
        place = Path(os.environ.get("DVC_ROOT", ".")).joinpath(Path(path).expanduser())
        place.exists()
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"path {path[:100]!r} cannot be looked at ({error})") from error
    return place


def _without_auto(values: dict[str, Any]) -> dict[str, Any]:
    """`values` with each `auto` replaced by what is recommended; one that nothing is recommended for stays."""
    recommended = _block(values, "recommended", str(values.get("dataset")))
    learning_rate = _block(values, "models", str(values.get("model"))).get("learning_rate", "auto")
    means = {**recommended, "learning_rate": learning_rate}
    for name, keys in AUTO.items():
        if not isinstance(values.get(name), dict):
            continue
        block = values[name]
        replaced = {key: means.get(key, "auto") for key in keys if block.get(key) == "auto"}
        values = {**values, name: {**block, **replaced}}
    return values


def _block(values: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The block at `keys`, empty where there is none: what is wrong there is told by the validation."""
    for key in keys:
        inner = values.get(key)
        values = inner if isinstance(inner, dict) else {}
    return values


def _one_line(error: ValidationError) -> str:
    """What the first mistake was, where, and what the value may be."""
    first, others = error.errors()[0], len(error.errors()) - 1
    key = ".".join(str(part) for part in first["loc"])
    more = f" (and {others} more)" if others else ""
    if first["type"] == "extra_forbidden":
        return f"{key} is not a known key; it may be one of {', '.join(_keys_beside(first['loc']))}{more}"
    if first["type"] == "missing":
        return f"{key} is missing{more}"
    if first["type"] == "value_error":
        return f"{key} {first['ctx']['error']}{more}"
    may_be = first["msg"].removeprefix("Input should be ")
    if first["loc"][-1] in AUTO.get(str(first["loc"][0]), []):
        may_be += ", or auto"
    shown = "" if isinstance(first["input"], dict) else f" is {first['input']!r};"
    return f"{key}{shown} it should be {may_be}{more}"


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    block: Any = Params
    for part in location[:-1]:
        block = block.model_fields[part].annotation
    return list(block.model_fields)


if __name__ == "__main__":
    with exit_on_user_error():
        load_params()
