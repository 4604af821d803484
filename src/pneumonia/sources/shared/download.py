"""Fetches films by `fetch(settings, directory, compute)` of `sources/NAME/source.py`, where params.yaml gives NAME."""

from pathlib import Path

from pneumonia.outputs import whole_directory
from pneumonia.params.choices import source
from pneumonia.params.load import Params


def download(params: Params, raw: Path) -> None:
    """Fill `raw` (see `sources.shared.raw`) from the chosen source, wholly or not at all.

    Raises:
        UserError: a path, an archive or a download that cannot be used.
    """
    with whole_directory(raw) as directory:
        source(params.dataset).fetch(params.chosen_source, directory, params.compute)
