from pathlib import Path
from typing import Any

import yaml

from pneumonia.params.blocks import SourceBlock
from pneumonia.params.choices import source

PARAMS = Path(__file__).parents[2] / "params.yaml"


def settings(name: str, **values: Any) -> SourceBlock:
    """The block of a source in params.yaml, with these values in it."""
    block = yaml.safe_load(PARAMS.read_text())["datasets"][name]
    return source(name).Settings(**block | values)
