"""The blocks of `params.yaml`: their keys, and what each may be."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, field_validator

Whole = Annotated[StrictInt, Field(ge=0)]
Positive = Annotated[StrictInt, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
ShareOrAll = Annotated[float, Field(ge=0, le=1)]
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


class Rsna(Block):
    """See `sources.rsna`."""

    path: Annotated[str, Field(min_length=1, max_length=4000)] | None


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
    rsna: Rsna
    medmnist: MedMnist
    folder: Folder


class Recommended(Block):
    """What `auto` means for a dataset."""

    image_size: Annotated[StrictInt, Field(ge=32, le=1024)]
    batch_size: Positive
    epochs: Positive
    strength: ShareOrAll
    least_share: ShareOrAll
    exchanged_surroundings: ShareOrAll


class Recommendations(Block):
    """A block a source."""

    phantom: Recommended
    kermany: Recommended
    rsna: Recommended
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
    max_rejected: ShareOrAll


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
    strength: ShareOrAll
    least_share: ShareOrAll
    rotation: Annotated[float, Field(ge=0, le=3.15)]
    zoom: Share
    shift: Share
    horizontal_flip: StrictBool
    gamma: Share
    contrast: Share
    brightness: Share
    noise: Share
    blur: ShareOrAll
    compression: Annotated[float, Field(ge=0, le=10)]


class Recipe(Block):
    """How a network learns best: `auto` in `train` takes these from the model's block."""

    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "nadam", "lion"]
    learning_rate: Rate
    weight_decay: Share
    ema: Share
    label_smoothing: Share
    mixup: Annotated[float, Field(ge=0, le=10)]


class Train(Recipe):
    """See `training`."""

    epochs: Positive
    batch_size: Positive
    schedule: Literal["constant", "cosine", "plateau"]
    warmup_epochs: Whole
    loss: Literal["cross_entropy", "focal"]
    cutmix: Annotated[float, Field(ge=0, le=10)]
    exchanged_surroundings: ShareOrAll
    initial_bias: StrictBool
    clip_norm: Annotated[float, Field(ge=0)]
    monitor: Literal["val_loss", "val_auc"]
    patience: Positive
    precision: Literal["auto", "float32", "bfloat16"]
    augmentation: Augmentation


class Scratch(Block):
    """A network without published weights."""

    weights: Annotated[str, Field(min_length=1)]
    recommended: Recipe

    @field_validator("weights")
    @classmethod
    def _none_published(cls, weights: str) -> str:
        if weights in ("auto", "imagenet"):
            raise ValueError(f"is {weights!r}, but there are no published ones; it should be random or a path")
        return weights


class GoogLeNet(Scratch):
    """See `models.googlenet`."""

    auxiliary_heads: StrictBool


class Pretrained(Block):
    """A network with published weights, with a new head."""

    weights: Annotated[str, Field(min_length=1)]
    head_learning_rate: Rate
    head_epochs: Positive
    fine_tune_from: Annotated[str, Field(min_length=1)] | None
    dropout: Share
    recommended: Recipe


class ResNetSeg(Scratch):
    """See `models.resnet_seg`."""

    filters: Annotated[StrictInt, Field(ge=4, le=256)]


def _published_width(alpha: float) -> float:
    if alpha not in (published := (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)):
        raise ValueError(f"is {alpha:g}; it should be one of {', '.join(map(str, published))}")
    return alpha


Alpha = Annotated[float, AfterValidator(_published_width)]


class MobileNetV2(Pretrained):
    """See `models.mobilenet_v2`."""

    alpha: Alpha


Backbone = Literal[
    "resnet",
    "resnet50",
    "vgg19",
    "inception",
    "mobilenet",
    "mobilenet_v2",
    "densenet121",
    "efficientnet",
    "efficientnet_lite",
    "convnext",
]


class CenterNet(Block):
    """See `models.centernet`."""

    weights: Annotated[str, Field(min_length=1)]
    backbone: Backbone
    alpha: Alpha
    dropout: Share
    recommended: Recipe


class Models(Block):
    """A block a model."""

    cnn: Scratch
    resnet: Scratch
    alexnet: Scratch
    googlenet: GoogLeNet
    resnet50: Pretrained
    vgg19: Pretrained
    inception: Pretrained
    mobilenet: Pretrained
    mobilenet_v2: MobileNetV2
    densenet121: Pretrained
    efficientnet: Pretrained
    efficientnet_lite: Pretrained
    convnext: Pretrained
    resnet_seg: ResNetSeg
    centernet: CenterNet


class Evaluate(Block):
    """See `evaluation`."""

    threshold: Literal["youden", "sensitivity", "cost"]
    sensitivity: Annotated[float, Field(gt=0, lt=1)]
    cost_of_miss: Annotated[float, Field(gt=0)]
    cross_fit: StrictBool
    stressed: StrictBool
    draws: Annotated[StrictInt, Field(ge=200, le=100_000)]


class Localize(Block):
    """See `localization.postprocessing`."""

    nms_iou: Annotated[list[ShareOrAll], Field(min_length=1)]
    shrink: Annotated[list[Rate], Field(min_length=1)]


class Tracking(Block):
    """See `tracking`."""

    experiment: Annotated[str, Field(min_length=1)]
