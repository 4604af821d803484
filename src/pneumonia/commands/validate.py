"""What `pneumonia validate` does: a registered model on labelled films from elsewhere, as a run of its own."""

import re
from collections.abc import Iterator
from pathlib import Path

from pneumonia.errors import UserError
from pneumonia.preparation.labelled_films import labelled_films

PRINTED = ("roc_auc", "accuracy", "sensitivity", "specificity")
NAME = re.compile(r"[\w-]{1,60}", re.ASCII)
"""What a validation may be called: it becomes part of the names of tags and folders."""


def validate_version(
    place: Path, address: str, name: str | None, labels_by: str, other_patients: bool, output: Path | None
) -> Iterator[str]:
    """Validate the registered model at `address` on the films in `place`; yield what came of it, line by line.

    Raises:
        UserError: films, a model or a store that cannot be used, or too few films.
    """
    called = name or re.sub(r"[^\w-]+", "-", place.resolve().stem, flags=re.ASCII).strip("-")[:60]
    if not NAME.fullmatch(called):
        raise UserError(f"name is {called!r}; it may be letters, digits, - and _, at most 60")
    found = labelled_films(place)
    # Here, since they import Keras and MLflow, which a mistake above need not wait for.
    from pneumonia.evaluation.home import HOME, Home
    from pneumonia.inference.predictor import Predictor
    from pneumonia.outputs import whole_directory
    from pneumonia.params.load import load_params
    from pneumonia.registry.store import open_store
    from pneumonia.registry.validation_runs import log_validation
    from pneumonia.registry.version_files import name_in, registered_model
    from pneumonia.validation.films import read_films
    from pneumonia.validation.report import Asked
    from pneumonia.validation.validate import validate

    experiment = load_params().tracking.experiment
    directory = output or Path("validation", called)
    with registered_model(address) as (files, version):
        predictor = Predictor.load(files)
        home = Home.load(files / HOME) if (files / HOME).is_file() else None
        films = read_films(found, predictor.decision, predictor.familiarity, home, other_patients)
        model = name_in(address)
        facts = {"films": str(len(films.table)), "labels_by": labels_by}
        asked = Asked(called, str(place), f"{model} version {version}", labels_by)
        with whole_directory(directory) as partial:
            open_store(experiment)  # fails before the work where the store cannot be written
            came_out = validate(predictor, home, films, asked, partial)
            run = log_validation(called, (model, version), facts, came_out.metrics, came_out.intervals, partial)
    yield from films.remarks
    for kind in films.counts().itertuples(index=False):
        yield f"left out: {kind[1]} {kind[0]}"
    rows = came_out.intervals.set_index("metric")
    yield "  ".join(
        [f"{len(films.table)} films"]
        + [
            f"{each} {rows.at[each, 'value']:.3f} ({rows.at[each, 'low']:.3f} to {rows.at[each, 'high']:.3f})"
            for each in PRINTED
        ]
    )
    yield f"labels by: {labels_by}"
    yield from came_out.findings
    yield f"{directory / 'report.html'}; run validation-{called} ({run[:8]})"
