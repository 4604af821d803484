"""Several sources together: their films keep their site, so that split, `rebalance` and metrics can go by it.

It has no `fetch`: `sources.shared.download` fetches each of `of`, and `sources.shared.merging` puts them together.
"""

from typing import Annotated

from pydantic import AfterValidator, Field

from pneumonia.params.blocks import PathText, SourceBlock

__all__ = ["Settings"]


def _different(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError(f"is {names}; it should name each source once")
    if "several" in names:
        raise ValueError("names several itself; it should name other sources, or folders or tables of films")
    return names


class Settings(SourceBlock):
    """The source's block in params.yaml."""

    of: Annotated[list[PathText], Field(min_length=2), AfterValidator(_different)]
    """Blocks of `datasets`, or paths of folders or tables that are read as `datasets.folder` says."""
