"""The raw directories of several sources become one, in which each film has its site."""

import json
from collections.abc import Sequence
from pathlib import Path

from pneumonia.sources.shared.raw import INDEX_COLUMNS, Film, read_index, write_index


def merge(directory: Path, sites: Sequence[str]) -> None:
    """Make one raw directory (see `shared.raw`) of those in `directory` that are called as the `sites`.

    A film that has a site keeps it; others get the name of their source. Patients of two sources are two. Boxes are
    left out, since not all sources have them.
    """
    films: list[Film] = []
    told = []
    for site in sites:
        folder = directory / site
        for row in read_index(folder).to_dict("records"):
            facts = {"site": site} | {str(name): value for name, value in row.items() if name not in INDEX_COLUMNS}
            films.append(
                Film(
                    file=f"{site}/{row['file']}",
                    label=row["label"],
                    patient=f"{site}/{row['patient']}",
                    official_split=row["official_split"],
                    facts=facts,
                )
            )
        told.append({"site": site} | json.loads((folder / "source.json").read_text()))
        for table in ("index.csv", "boxes.csv", "source.json"):
            (folder / table).unlink(missing_ok=True)
    licences = " | ".join(dict.fromkeys(str(each["licence"]) for each in told))
    write_index(directory, films, {"name": "several", "licence": licences, "of": told})
