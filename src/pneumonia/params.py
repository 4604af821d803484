"""`params.yaml` as typed, validated objects: a mistake is one line, before any work starts."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, ValidationError, model_validator

from pneumonia.errors import UserError

Auto = Literal["auto"]
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

    path: str | None
    origin: Literal["mendeley", "kaggle"]


class MedMnist(Block):
    """See `sources.medmnist`."""

    size: Literal[28, 64, 128, 224]


class Folder(Block):
    """See `sources.folder`."""

    path: str | None


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


class Compute(Block):
    """Where work on many files is spread."""

    scheduler: Annotated[str, Field(pattern=r"^(local|tcp://.+:\d+)$")]
    workers: Annotated[StrictInt, Field(ge=-1)]

    @model_validator(mode="after")
    def _some_workers(self) -> "Compute":
        if self.workers == 0:
            raise ValueError("workers is 0; it may be -1 (one a core) or a whole number from 1")
        return self


class Clean(Block):
    """See `cleaning`."""

    image_size: Annotated[StrictInt, Field(ge=32, le=1024)] | Auto
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

    epochs: Positive | Auto
    batch_size: Positive | Auto
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"]
    learning_rate: Rate | Auto
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

    weights: str
    learning_rate: Rate


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
    recommended: dict[str, Recommended]
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
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        raise UserError(f"{path}: is not YAML" + (f" at line {where.line + 1}" if where else "")) from error
    if not isinstance(values, dict):
        raise UserError(f"{path}: holds {type(values).__name__}, it must hold the blocks of parameters")
    try:
        return Params.model_validate(_without_auto(Params.model_validate(values)))
    except ValidationError as error:
        raise UserError(f"{path}: {_one_line(error)}") from None


def user_path(path: str) -> Path:
    """A path that the user gave: relative ones start at the main repository, also in a `dvc exp` copy of it."""
    return Path(os.environ.get("DVC_ROOT", ".")).joinpath(Path(path).expanduser())


def _without_auto(params: Params) -> dict[str, Any]:
    values = params.model_dump()
    if params.dataset not in params.recommended:
        raise UserError(f"params.yaml: recommended has no block {params.dataset!r}, the dataset that was chosen")
    recommended = values["recommended"][params.dataset] | {"learning_rate": params.chosen_model.learning_rate}
    for block in ("clean", "train"):
        for key, value in values[block].items():
            if value == "auto":
                values[block][key] = recommended[key]
    return values


def _one_line(error: ValidationError) -> str:
    """What the first mistake was, where, and what the value may be."""
    first = error.errors()[0]
    # A union such as `int | "auto"` reports each member: gather what each of them would take.
    keys = [str(part) for part in first["loc"] if not _is_union_member(str(part))]
    alternatives = [other for other in error.errors() if [str(part) for part in other["loc"]][: len(keys)] == keys]
    key = ".".join(keys)
    others = len(error.errors()) - len(alternatives)
    more = f" (and {others} more)" if others > 0 else ""
    if first["type"] == "extra_forbidden":
        known = ", ".join(_keys_beside(first["loc"]))
        return f"{key} is not a known key; known there: {known}{more}"
    if first["type"] == "missing":
        return f"{key} is missing{more}"
    may_be = " or ".join(dict.fromkeys(_expectation(other["msg"]) for other in alternatives))
    shown = "" if isinstance(first["input"], dict) else f" is {first['input']!r};"
    return f"{key}{shown} it should be {may_be}{more}"


def _is_union_member(part: str) -> bool:
    return part.startswith(("constrained-", "literal[")) or part in {"int", "str", "float"}


def _expectation(message: str) -> str:
    return message.removeprefix("Input should be ").removeprefix("Value error, ")


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    block: Any = Params
    for part in location[:-1]:
        annotation = block.model_fields[part].annotation if part in getattr(block, "model_fields", {}) else Recommended
        block = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else Recommended
    return list(block.model_fields)
