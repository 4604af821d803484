"""`params.yaml` as typed, validated objects: a mistake is told in one line, before any work starts."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Self

import yaml
from pydantic import ValidationError, create_model, model_validator

from pneumonia.annotations.labels import class_names
from pneumonia.errors import UserError
from pneumonia.params.blocks import Block, NetworkBlock, Recipe, Seed, SourceBlock, shown
from pneumonia.params.choices import network, networks, source, sources
from pneumonia.params.stages import Clean, Compute, Evaluate, Localize, Rebalance, Split, Tracking, Train

AUTO: dict[tuple[str, ...], list[str]] = {
    ("clean",): ["image_size"],
    ("train",): ["epochs", "batch_size", "exchanged_surroundings", *Recipe.model_fields],
    ("train", "augmentation"): ["strength", "least_share"],
}
"""The keys that may be `auto`: they take the value recommended for the model, or else for the dataset."""


class Params(Block):
    """All of params.yaml, with each `auto` already replaced by what it means."""

    seed: Seed
    dataset: str
    task: Literal["binary", "multiclass", "localize"]
    model: str
    datasets: Block
    compute: Compute
    clean: Clean
    split: Split
    rebalance: Rebalance
    train: Train
    models: Block
    evaluate: Evaluate
    localize: Localize
    tracking: Tracking

    @model_validator(mode="after")
    def _fit_for_the_task(self) -> Self:
        localize = self.task == "localize"
        if localize != _localises(self.model):
            may_be = [name for name in type(self.models).model_fields if _localises(name) == localize]
            raise ValueError(f"model is {self.model!r}; for task {self.task} it should be one of {', '.join(may_be)}")
        if localize and not _has_boxes(self.dataset):
            may_be = [name for name in type(self.datasets).model_fields if _has_boxes(name)]
            raise ValueError(f"dataset is {self.dataset!r}; for task localize it should be one of {', '.join(may_be)}")
        train = self.train
        altered = train.mixup or train.cutmix or train.label_smoothing or train.exchanged_surroundings
        if localize and (altered or train.loss != "cross_entropy"):
            raise ValueError(
                "train.mixup, cutmix, label_smoothing and exchanged_surroundings should be 0 and train.loss "
                "cross_entropy for task localize: boxes have losses of their own and cannot be blended"
            )
        return self

    @model_validator(mode="after")
    def _several_are_there(self) -> Self:
        for name in self.several:
            block = name if name in sources() else "folder"
            if not hasattr(self.datasets, block):
                raise ValueError(f"datasets.several.of names {shown(name)}; it needs a block datasets.{block}")
        return self

    @model_validator(mode="after")
    def _fit_for_each_other(self) -> Self:
        train = self.train
        if train.schedule == "cosine" and train.warmup_epochs > max(train.epochs - 1, 1):
            raise ValueError(
                f"train.warmup_epochs is {train.warmup_epochs}; it should be less than train.epochs, {train.epochs}"
            )
        repeated = self.rebalance.method == "augment"
        if repeated and train.augmentation.apply_to == "none":
            raise ValueError(
                "train.augmentation.apply_to is 'none'; it should be all or repeats for rebalance.method augment"
            )
        if not repeated and train.augmentation.apply_to == "repeats":
            raise ValueError(
                f"train.augmentation.apply_to is 'repeats'; it should be all or none for rebalance.method "
                f"{self.rebalance.method}, which repeats no film to be augmented"
            )
        return self

    @property
    def chosen_model(self) -> NetworkBlock:
        """The block of the network that is trained."""
        block: NetworkBlock = getattr(self.models, self.model)
        return block

    @property
    def chosen_source(self) -> SourceBlock:
        """The block of the source that films come from."""
        block: SourceBlock = getattr(self.datasets, self.dataset)
        return block

    @property
    def labels_opacities(self) -> bool:
        """Whether the source's labels only say if a film shows an opacity: see `annotations.labels`.

        Of several sources, whether those of any do: a pneumonia is an opacity, an opacity may be something else.
        """
        names = [name for name in (self.dataset, *self.several) if hasattr(self.datasets, name)]
        return any(getattr(source(name), "LABELS_OPACITIES", False) for name in names)

    @property
    def several(self) -> list[str]:
        """The sources that are put together, blocks of `datasets` or paths; none for any other source."""
        return list(self.chosen_source.of) if self.dataset == "several" else []  # type: ignore[attr-defined]

    @property
    def classes(self) -> list[str]:
        """The names of the classes that are told apart, in the order of their numbers."""
        return class_names(self.task, self.labels_opacities)


def _localises(name: str) -> bool:
    return hasattr(network(name), "HEAD")


def _has_boxes(name: str) -> bool:
    return getattr(source(name), "HAS_BOXES", False)


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
    except RecursionError as error:
        raise UserError(f"{path}: is nested too deeply") from error
    # A date that is none, a number of more than 4,300 digits.
    except (yaml.YAMLError, ValueError, AttributeError, TypeError) as error:
        where = getattr(error, "problem_mark", None)
        raise UserError(f"{path}: is not YAML" + (f" at line {where.line + 1}" if where else f" ({error})")) from error
    if not isinstance(values, dict):
        raise UserError(f"{path}: holds {type(values).__name__}, it must hold the blocks of parameters")
    typed = _typed_for(values)
    try:
        return typed.model_validate(_without_auto(values))
    except ValidationError as error:
        raise UserError(f"{path}: {_one_line(error, typed)}") from None


def _typed_for(values: dict[str, Any]) -> type[Params]:
    """`Params` with the settings of those sources and networks that have a block in `values`, or need one."""

    def blocks(key: str, choice: str, there: list[str], module: Callable[[str], ModuleType]) -> dict[str, Any]:
        names = dict.fromkeys([*_block(values, key), str(values.get(choice))])
        settings: dict[str, Any] = {name: (module(name).Settings, ...) for name in names if name in there}
        block = create_model(key.title(), __base__=Block, **settings)
        return {choice: (Literal[tuple(settings or there)], ...), key: (block, ...)}

    fields = blocks("datasets", "dataset", sources(), source) | blocks("models", "model", networks(), network)
    return create_model("Params", __base__=Params, **fields)


def _without_auto(values: dict[str, Any]) -> dict[str, Any]:
    """`values` with each `auto` replaced by the recommended value; without one, `auto` stays."""
    of_dataset = _block(values, "datasets", str(values.get("dataset")), "recommended")
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
    """The block at `keys`, or an empty one: the validation tells later what is wrong there."""
    for key in keys:
        inner = values.get(key)
        values = inner if isinstance(inner, dict) else {}
    return values


def _one_line(error: ValidationError, typed: type[Params]) -> str:
    """The message for the first mistake: where it is, what it is, and what the value may be."""
    first, others = error.errors()[0], len(error.errors()) - 1
    key = ".".join(str(part)[:80] for part in first["loc"])
    # Without a known model or dataset each `auto` stays, and would count as one more mistake.
    more = f" (and {others} more mistakes)" if others and key not in ("model", "dataset") else ""
    if first["type"] == "extra_forbidden":
        return f"{key} is not a known key; it may be one of {', '.join(_keys_beside(first['loc'], typed))}{more}"
    if first["type"] == "missing":
        return f"{key} is missing{more}"
    if first["type"] == "value_error":
        return f"{key} {first['ctx']['error']}{more}".lstrip()
    may_be = first["msg"].removeprefix("Input should be ")
    if first["loc"][-1] in AUTO.get(tuple(map(str, first["loc"][:-1])), []):
        may_be += ", or auto"
    was = "" if isinstance(first["input"], dict) else f" is {shown(first['input'])};"
    return f"{key}{was} it should be {may_be}{more}"


def _keys_beside(location: tuple[int | str, ...], typed: type[Params]) -> list[str]:
    if location[:-1] in (("datasets",), ("models",)):
        return sources() if location[0] == "datasets" else networks()
    block: Any = typed
    for part in location[:-1]:
        block = block.model_fields[part].annotation
    return list(block.model_fields)
