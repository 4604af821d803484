"""The networks and sources that `params.yaml` may choose from, each found in a folder of its own.

`models/NAME/network.py` has `Settings`, `INPUT_SIZE` and `build`; a localiser also has `HEAD` (`models.shared.head`).
`sources/NAME/source.py` has `Settings` and `fetch`. It has `HAS_BOXES = True` where it gives boxes around opacities,
and `LABELS_OPACITIES = True` where its labels say whether a film shows an opacity, and not what that is: both tell what
`fetch` writes, and change with it. No network imports Keras before it is built, so all settings are checked at once.
"""

from importlib import import_module
from pathlib import Path
from types import ModuleType

PACKAGE = Path(__file__).parents[1]


def networks() -> list[str]:
    """The names of all networks."""
    return sorted(file.parent.name for file in PACKAGE.glob("models/*/network.py"))


def sources() -> list[str]:
    """The names of all sources."""
    return sorted(file.parent.name for file in PACKAGE.glob("sources/*/source.py"))


def network(name: str) -> ModuleType:
    """The module of one of `networks`."""
    return import_module(f"pneumonia.models.{name}.network")


def source(name: str) -> ModuleType:
    """The module of one of `sources`."""
    return import_module(f"pneumonia.sources.{name}.source")
