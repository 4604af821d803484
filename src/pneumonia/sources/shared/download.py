"""Fetches films by `fetch(settings, directory, compute)` of `sources/NAME/source.py`, where params.yaml gives NAME."""

from pathlib import Path
from typing import Any

from pneumonia.names import unlike
from pneumonia.outputs import whole_directory
from pneumonia.params.blocks import SourceBlock
from pneumonia.params.choices import source
from pneumonia.params.load import Params
from pneumonia.params.paths import user_path
from pneumonia.sources.shared.merging import merge
from pneumonia.sources.shared.raw import site_name


def download(params: Params, raw: Path) -> None:
    """Fill `raw` (see `sources.shared.raw`) from the chosen source, wholly or not at all.

    Raises:
        UserError: a path, an archive or a download that cannot be used.
    """
    with whole_directory(raw) as directory:
        if params.dataset != "several":
            source(params.dataset).fetch(params.chosen_source, directory, params.compute)
            return
        sites = _sites(params)
        for site, (name, settings) in sites.items():
            (directory / site).mkdir()
            source(name).fetch(settings, directory / site, params.compute)
        merge(directory, list(sites))


def _sites(params: Params) -> dict[str, tuple[str, SourceBlock]]:
    """The sources that are put together, by their sites: the name and the block of each."""
    sites: dict[str, tuple[str, SourceBlock]] = {}
    for entry in params.several:
        if hasattr(params.datasets, entry):
            sites[unlike(entry, sites)] = entry, getattr(params.datasets, entry)
            continue
        place = user_path(entry)
        is_table = place.is_file()
        folder = place.parent if is_table else place
        # A folder has no other table than metadata.csv, so the columns are those of the tables.
        given: dict[str, Any] = {"table": place.name} if is_table else {"table": None, "columns": {}, "only": {}}
        block = params.datasets.folder.model_copy(update=given | {"path": str(folder)})  # type: ignore[attr-defined]
        sites[unlike(site_name(folder.resolve().name), sites)] = "folder", block
    return sites
