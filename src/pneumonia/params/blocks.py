"""What the blocks of `params.yaml` are made of: numbers with bounds, and what networks and sources have in common.

`params.stages` has what a stage's block may hold. The `Settings` in the module of a network or source have what its
block may hold.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt

Whole = Annotated[StrictInt, Field(ge=0)]
Positive = Annotated[StrictInt, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
ShareOrAll = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
PathText = Annotated[str, Field(min_length=1, max_length=4000)]


class Block(BaseModel):
    """A block of params.yaml: it must have every key, and no other."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Recipe(Block):
    """How a network learns best: the values that `auto` in `train` takes from the model's block."""

    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "nadam", "lion"]
    learning_rate: Rate
    weight_decay: Share
    ema: Share
    label_smoothing: Share
    mixup: Annotated[float, Field(ge=0, le=10)]


class Recommended(Block):
    """What `auto` means for a dataset."""

    image_size: Annotated[StrictInt, Field(ge=32, le=1024)]
    batch_size: Positive
    epochs: Positive
    strength: ShareOrAll
    least_share: ShareOrAll
    exchanged_surroundings: ShareOrAll


class NetworkBlock(Block):
    """What the block of each network holds."""

    weights: Annotated[str, Field(min_length=1)]
    recommended: Recipe
    published: ClassVar[bool]
    """Whether `weights` may be `imagenet`."""


class SourceBlock(Block):
    """What the block of each source holds."""

    recommended: Recommended
