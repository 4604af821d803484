"""Where radiographs come from: a module a source, each with `fetch(settings, directory, compute)`."""

from importlib import import_module
from pathlib import Path

from pneumonia.files import whole_directory
from pneumonia.params import Params


def download(params: Params, raw: Path) -> None:
    """Fill `raw` (see `sources.raw`) from the chosen dataset, wholly or not at all.

    Raises:
        UserError: a path, an archive or a download that cannot be used.
    """
    source = import_module(f"pneumonia.sources.{params.dataset}")
    with whole_directory(raw) as directory:
        source.fetch(getattr(params.datasets, params.dataset), directory, params.compute)
