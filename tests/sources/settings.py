from pathlib import Path
from typing import Any

import yaml

from pneumonia.params.blocks import SourceBlock
from pneumonia.params.choices import source

PARAMS = Path(__file__).parents[2] / "params.yaml"


def settings(name: str, **values: Any) -> SourceBlock:
    """The block of a source with these values, and what params.yaml recommends for it."""
    recommended = yaml.safe_load(PARAMS.read_text())["datasets"][name]["recommended"]
    return source(name).Settings(**values, recommended=recommended)
