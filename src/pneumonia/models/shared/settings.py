"""The settings that several networks' blocks in params.yaml share."""

from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from pneumonia.params.blocks import Epochs, NetworkBlock, Number, Rate, Share


class Scratch(NetworkBlock):
    """A network without published weights."""

    published = False

    @field_validator("weights")
    @classmethod
    def _none_published(cls, weights: str) -> str:
        if weights in ("auto", "imagenet"):
            raise ValueError(f"is {weights!r}, but there are no published ones; it should be random or a path")
        return weights


class Pretrained(NetworkBlock):
    """A network with published weights and a new head."""

    published = True

    head_learning_rate: Rate
    head_epochs: Epochs
    fine_tune_from: Annotated[str, Field(min_length=1, max_length=200)] | None
    dropout: Share


def _published_width(alpha: float) -> float:
    if alpha not in (published := (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)):
        raise ValueError(f"is {alpha:g}; it should be one of {', '.join(map(str, published))}")
    return alpha


Alpha = Annotated[Number, AfterValidator(_published_width)]
"""The width of MobileNetV2, as a share of the paper's."""
