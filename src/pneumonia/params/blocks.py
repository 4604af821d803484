"""What the blocks of `params.yaml` are made of: numbers with bounds, and what networks and sources have in common.

`params.stages` has what a stage's block may hold. The `Settings` in the module of a network or source have what its
block may hold.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt


def shown(value: object) -> str:
    """A value of params.yaml for a message, cut to a length that is read."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= 80 else f"{text[:80]}…"


def _no_switch(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"is {value}; it should be a number")
    return value


Number = Annotated[float, BeforeValidator(_no_switch)]
Share = Annotated[Number, Field(ge=0, lt=1)]
ShareOrAll = Annotated[Number, Field(ge=0, le=1)]
Rate = Annotated[Number, Field(gt=0, le=1)]
UpToTen = Annotated[Number, Field(ge=0, le=10)]
UpToAMillion = Annotated[Number, Field(ge=0, le=1e6)]
Seed = Annotated[StrictInt, Field(ge=0, lt=2**32)]
"""NumPy takes no longer one."""
Positive = Annotated[StrictInt, Field(ge=1, le=1_000_000)]
"""A number of things, as blocks of networks and sources have them."""
Epochs = Annotated[StrictInt, Field(ge=1, le=10_000)]
BatchSize = Annotated[StrictInt, Field(ge=1, le=4096)]
PathText = Annotated[str, Field(min_length=1, max_length=4000)]


class Block(BaseModel):
    """A block of params.yaml: it must have every key, and no other."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Recipe(Block):
    """How a network learns best: the values that `auto` in `train` takes from the model's block."""

    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "nadam", "lion"]
    learning_rate: Rate
    weight_decay: Share
    ema: Share
    label_smoothing: Share
    mixup: UpToTen


class Recommended(Block):
    """What `auto` means for a dataset."""

    image_size: Annotated[StrictInt, Field(ge=32, le=1024)]
    batch_size: BatchSize
    epochs: Epochs
    strength: ShareOrAll
    least_share: ShareOrAll
    exchanged_surroundings: ShareOrAll


class NetworkBlock(Block):
    """What the block of each network holds."""

    weights: PathText
    recommended: Recipe
    published: ClassVar[bool]
    """Whether `weights` may be `imagenet`."""


class SourceBlock(Block):
    """What the block of each source holds."""

    recommended: Recommended
