"""What the block of `folder` in params.yaml may hold."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from pneumonia.annotations.labels import LABELS
from pneumonia.params.blocks import PathText, SourceBlock, shown
from pneumonia.sources.folder.naming import key

KNOWN = ("file", "label", "patient", "site", "split", "view", "age", "sex", "reader")
"""The columns of a table that the source understands."""

_TAKEN = {
    "official_split", "image", "class", "part", "width", "height", "mode", "format", "quality", "bytes", "spacing",
    "fingerprint", "packed_row", "probability", "predicted", "subtype", "series", "size", "grey", "contrast", "detail",
    "side", "remark", "path", "is_named", "name", "row", "person",
}  # fmt: skip
"""Names of columns that the source, other stages and a validation write."""


def _texts(value: object) -> object:
    """The names in a list or before a colon, as text: YAML reads some as numbers, or as yes and no."""
    if isinstance(value, Mapping):
        return {_text(name): meaning for name, meaning in value.items()}
    return [_text(name) for name in value] if isinstance(value, list) else value


def _text(name: object) -> object:
    if isinstance(name, bool) or name is None:
        raise ValueError(f"holds {name!r} as a name; names that YAML takes for yes, no or nothing are to be quoted")
    return str(name) if isinstance(name, int | float) else name


def _lists(value: object) -> object:
    """What may be one name or several, as a list of names."""
    if not isinstance(value, Mapping):
        return value
    return {name: _texts(each if isinstance(each, list) else [each]) for name, each in value.items()}


Name = Annotated[str, Field(max_length=200)]
Label = Literal[LABELS]  # type: ignore[valid-type]


class Settings(SourceBlock):
    """The source's block in params.yaml."""

    path: PathText | None
    table: PathText | None
    columns: Annotated[dict[Name, Name], BeforeValidator(_texts)]
    labels: Annotated[dict[Name, Label | None], BeforeValidator(_texts)]
    positive: Annotated[list[Name], BeforeValidator(_texts)]
    only: Annotated[dict[Name, list[Name]], BeforeValidator(_lists)]
    patient_pattern: Annotated[str, Field(min_length=1, max_length=200)] | None

    @field_validator("columns")
    @classmethod
    def _columns_of_their_own(cls, columns: dict[str, str]) -> dict[str, str]:
        for name in columns:
            if name not in KNOWN and (name in _TAKEN or not re.fullmatch(r"[a-z][a-z0-9_]{0,29}", name)):
                may_be = f"{', '.join(KNOWN)}, or a further name of small letters, digits and _"
                taken = ", which is taken" if name in _TAKEN else ""
                raise ValueError(f"has {shown(name)}{taken}; it may have {may_be}")
        return columns

    @field_validator("patient_pattern")
    @classmethod
    def _regular_expression(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"is {shown(pattern)}; it should be a regular expression ({error})") from error
        return pattern

    @model_validator(mode="after")
    def _one_meaning_each(self) -> Self:
        twice = sorted({key(name) for name in self.labels} & {key(name) for name in self.positive})
        if twice:
            raise ValueError(f"{twice[0]!r} is in labels and in positive; it should be in one")
        return self
