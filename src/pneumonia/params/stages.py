"""What the block of each stage in `params.yaml` may hold."""

import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, StrictBool, StrictInt, field_validator, model_validator

from pneumonia.params.blocks import (
    BatchSize,
    Block,
    Epochs,
    Number,
    PathText,
    Positive,
    Rate,
    Recipe,
    Seed,
    Share,
    ShareOrAll,
    UpToAMillion,
    UpToTen,
    shown,
)


class Compute(Block):
    """Where work on many files is spread."""

    scheduler: str
    workers: StrictInt

    @field_validator("scheduler")
    @classmethod
    def _known_scheduler(cls, scheduler: str) -> str:
        if not re.fullmatch(r"local|tcp://[^/\s]{1,250}:\d{1,5}", scheduler):
            raise ValueError(f"is {shown(scheduler)}; it should be local or tcp://host:port")
        return scheduler

    @field_validator("workers")
    @classmethod
    def _some_workers(cls, workers: int) -> int:
        if workers != -1 and not 1 <= workers <= 1024:
            raise ValueError(f"is {shown(workers)}; it should be -1 (one a core) or a whole number from 1 to 1024")
        return workers


def _off_is_a_word(value: object) -> object:
    return "off" if value is False else value  # as YAML 1.1 reads it


class Clean(Block):
    """See `preparation.cleaning.clean`."""

    image_size: Annotated[StrictInt, Field(ge=32, le=1024)]
    min_size: Annotated[StrictInt, Field(ge=1, le=10_000)]
    max_rejected: ShareOrAll
    near_duplicates: Annotated[Literal["off", "report", "group"], BeforeValidator(_off_is_a_word)]


class Split(Block):
    """See `preparation.splitting`."""

    val_per_class: Positive
    test_fraction: Annotated[Number, Field(gt=0, lt=1)]
    folds: Annotated[StrictInt, Field(ge=0, le=100)]
    fold: Annotated[StrictInt, Field(ge=0, le=99)]
    file: PathText | None
    corrections: PathText | None
    seed: Seed | None
    leave_out: Annotated[str, Field(min_length=1, max_length=200)] | None

    @model_validator(mode="after")
    def _fold_among_the_folds(self) -> Self:
        if self.folds == 1:
            raise ValueError("has folds 1; folds should be 0 (none), or 2 or more")
        if self.fold >= max(self.folds, 1):
            may_be = f"0 to {self.folds - 1}" if self.folds else "0 where split.folds is 0"
            raise ValueError(f"has fold {self.fold}; fold should be {may_be}")
        if self.file and self.leave_out:
            raise ValueError(f"has file {self.file!r} and leave_out {self.leave_out!r}; one of them should be null")
        return self


class Rebalance(Block):
    """See `preparation.rebalancing`."""

    method: Literal["none", "class_weight", "oversample", "undersample", "augment"]
    by: Literal["class", "site_and_class"]


class Augmentation(Block):
    """See `training.augmentation`."""

    apply_to: Literal["all", "repeats", "none"]
    strength: ShareOrAll
    least_share: ShareOrAll
    rotation: Annotated[Number, Field(ge=0, le=3.15)]
    zoom: Share
    shift: Share
    horizontal_flip: StrictBool
    gamma: Share
    contrast: Share
    brightness: Share
    noise: Share
    blur: ShareOrAll
    compression: UpToTen


class Train(Recipe):
    """See `training.fitting`."""

    epochs: Epochs
    batch_size: BatchSize
    schedule: Literal["constant", "cosine", "plateau"]
    warmup_epochs: Annotated[StrictInt, Field(ge=0, le=10_000)]
    loss: Literal["cross_entropy", "focal"]
    cutmix: UpToTen
    exchanged_surroundings: ShareOrAll
    initial_bias: StrictBool
    clip_norm: UpToAMillion
    monitor: Literal["val_loss", "val_auc"]
    patience: Epochs
    precision: Literal["auto", "float32", "bfloat16"]
    augmentation: Augmentation


class Abstain(Block):
    """See `evaluation.abstention`."""

    by: Literal["nothing", "accuracy", "coverage"]
    wanted: Annotated[Number, Field(gt=0, le=1)]
    unfamiliar: StrictBool


class Evaluate(Block):
    """See `evaluation.evaluate`."""

    threshold: Literal["youden", "sensitivity", "cost"]
    sensitivity: Annotated[Number, Field(gt=0, lt=1)]
    cost_of_miss: Annotated[UpToAMillion, Field(gt=0)]
    cross_fit: StrictBool
    stressed: StrictBool
    draws: Annotated[StrictInt, Field(ge=200, le=100_000)]
    abstain: Abstain
    prevalences: Annotated[list[Annotated[Number, Field(gt=0, lt=1)]], Field(min_length=1, max_length=10)]


class Localize(Block):
    """See `evaluation.boxes.tuning`."""

    nms_iou: Annotated[list[ShareOrAll], Field(min_length=1, max_length=20)]
    shrink: Annotated[list[Rate], Field(min_length=1, max_length=20)]


class Tracking(Block):
    """See `registry.store`."""

    experiment: Annotated[str, Field(min_length=1, max_length=250)]
