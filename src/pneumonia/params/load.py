"""`params.yaml` as typed, validated objects: a mistake is one line, before any work starts."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, Field, StrictInt, ValidationError, model_validator

from pneumonia.errors import UserError, exit_on_user_error
from pneumonia.parameter_blocks import (
    Block,
    CenterNet,
    Clean,
    Compute,
    Datasets,
    Evaluate,
    Localize,
    Models,
    Pretrained,
    Rebalance,
    Recipe,
    Recommendations,
    Scratch,
    Split,
    Tracking,
    Train,
)

AUTO: dict[tuple[str, ...], list[str]] = {
    ("clean",): ["image_size"],
    ("train",): ["epochs", "batch_size", "exchanged_surroundings", *Recipe.model_fields],
    ("train", "augmentation"): ["strength", "least_share"],
}
"""Where params.yaml may say `auto`: it takes the value recommended for the model, or else for the dataset."""


MODELS = list(Models.model_fields)
"""The names of the models."""
LOCALISERS = ("resnet_seg", "centernet")
"""Those of task `localize`."""
WITH_BOXES = ("phantom", "rsna")
"""The datasets that say where opacities are."""


def _known_model(name: str) -> str:
    if name not in MODELS:
        raise ValueError(f"is {name!r}; it should be one of {', '.join(MODELS)}")
    return name


class Params(Block):
    """The whole of params.yaml, `auto` already replaced by what it means."""

    seed: Annotated[StrictInt, Field(ge=0, lt=2**32)]
    dataset: Literal["phantom", "kermany", "rsna", "medmnist", "folder"]
    task: Literal["binary", "multiclass", "localize"]
    model: Annotated[str, AfterValidator(_known_model)]
    datasets: Datasets
    recommended: Recommendations
    compute: Compute
    clean: Clean
    split: Split
    rebalance: Rebalance
    train: Train
    models: Models
    evaluate: Evaluate
    localize: Localize
    tracking: Tracking

    @model_validator(mode="after")
    def _fit_for_the_task(self) -> Self:
        localize = self.task == "localize"
        models = [name for name in MODELS if (name in LOCALISERS) == localize]
        if self.model not in models:
            raise ValueError(f"model is {self.model!r}; for task {self.task} it should be one of {', '.join(models)}")
        if localize and self.dataset not in WITH_BOXES:
            may_be = ", ".join(WITH_BOXES)
            raise ValueError(f"dataset is {self.dataset!r}; for task localize it should be one of {may_be}")
        train = self.train
        altered = train.mixup or train.cutmix or train.label_smoothing or train.exchanged_surroundings
        if localize and (altered or train.loss != "cross_entropy"):
            raise ValueError(
                "train.mixup, cutmix, label_smoothing and exchanged_surroundings should be 0 and train.loss "
                "cross_entropy for task localize: boxes have losses of their own and cannot be blended"
            )
        return self

    @property
    def chosen_model(self) -> Scratch | Pretrained | CenterNet:
        """The block of the model that is trained."""
        block: Scratch | Pretrained | CenterNet = getattr(self.models, self.model)
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
    of_dataset = _block(values, "recommended", str(values.get("dataset")))
    of_model = _block(values, "models", str(values.get("model")), "recommended")
    for place, keys in AUTO.items():
        block = _block(values, *place)
        replaced = {key: {**of_dataset, **of_model}.get(key, "auto") for key in keys if block.get(key) == "auto"}
        values = _with_block(values, place, {**block, **replaced}) if replaced else values
    return values


def _with_block(values: dict[str, Any], place: tuple[str, ...], block: dict[str, Any]) -> dict[str, Any]:
    """A copy of `values` with `block` at `place`."""
    if not place:
        return block
    return {**values, place[0]: _with_block(values[place[0]], place[1:], block)}


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
    # A model or dataset that is not there takes what `auto` means with it, which would count as mistakes.
    more = f" (and {others} more mistakes)" if others and key not in ("model", "dataset") else ""
    if first["type"] == "extra_forbidden":
        return f"{key} is not a known key; it may be one of {', '.join(_keys_beside(first['loc']))}{more}"
    if first["type"] == "missing":
        return f"{key} is missing{more}"
    if first["type"] == "value_error":
        return f"{key} {first['ctx']['error']}{more}".lstrip()
    may_be = first["msg"].removeprefix("Input should be ")
    if first["loc"][-1] in AUTO.get(tuple(map(str, first["loc"][:-1])), []):
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
