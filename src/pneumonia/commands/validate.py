"""What `pneumonia validate` does: a registered model on labelled films from elsewhere, as a run of its own."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pneumonia.errors import UserError
from pneumonia.params.load import load_params
from pneumonia.preparation.labelled_films import labelled_films

PRINTED = ("roc_auc", "accuracy", "sensitivity", "specificity")
NAME = re.compile(r"[\w-]{1,60}", re.ASCII)
"""What a validation and a site may be called: it becomes part of the names of tags and folders."""


@dataclass(frozen=True)
class Wish:
    """What the command line asks for."""

    place: Path
    model: str
    name: str | None
    labels_by: str
    other_patients: bool
    output: Path | None
    recalibrate: int | None
    site: str | None

    @property
    def called(self) -> str:
        """The validation's name: the one given, or else that of the place."""
        return self.name or re.sub(r"[^\w-]+", "-", self.place.resolve().stem, flags=re.ASCII).strip("-")[:60]


def validate_version(wish: Wish) -> Iterator[str]:
    """Validate a registered model on the films of a place; yield what came of it, line by line.

    Raises:
        UserError: films, a model, a name or a store that cannot be used, or too few films.
    """
    called, site = wish.called, wish.site or wish.called
    for what, given in {"name": called, "site": site}.items():
        if not NAME.fullmatch(given):
            raise UserError(f"{what} is {given!r}; it may be letters, digits, - and _, at most 60")
    params = load_params()
    found = labelled_films(wish.place, params.datasets.folder)  # type: ignore[attr-defined]
    # Here, since they import Keras and MLflow, which a mistake above need not wait for.
    from pneumonia.evaluation.home import HOME, Home
    from pneumonia.evaluation.operating_point import Wanted
    from pneumonia.inference.predictor import Predictor
    from pneumonia.outputs import whole_directory
    from pneumonia.registry.recalibrated import register_recalibrated
    from pneumonia.registry.store import open_store
    from pneumonia.registry.validation_runs import log_validation, tagged_metrics
    from pneumonia.registry.version_files import name_in, registered_model
    from pneumonia.validation.films import read_films, with_films_that_chose
    from pneumonia.validation.recalibration import Chooser
    from pneumonia.validation.report import Asked
    from pneumonia.validation.validate import validate

    directory = wish.output or Path("validation", called)
    settings = params.evaluate
    chooser = Chooser(settings.threshold, Wanted(settings.sensitivity, settings.cost_of_miss))
    with registered_model(wish.model) as (files, number):
        predictor, version = Predictor.load(files), (name_in(wish.model), number)
        asked_of = f"{version[0]} version {number}"
        if wish.site and not wish.recalibrate:
            predictor, asked_of = predictor.at(wish.site), f"{asked_of} as decided for {wish.site}"
        home = Home.load(files / HOME) if (files / HOME).is_file() else None
        films = read_films(found, predictor.decision, predictor.prepare.familiarity, home, wish.other_patients)
        test = home.test if home else tagged_metrics(*version)
        yield from films.remarks
        yield from (f"left out: {kind.films} {kind.reason}" for kind in films.counts().itertuples())
        open_store(params.tracking.experiment)  # fails before the work where the store cannot be written
        asked = Asked(called, str(wish.place), asked_of, wish.labels_by)
        with whole_directory(directory) as partial:
            recalibrated = (wish.recalibrate, chooser) if wish.recalibrate else None
            came_out = validate(predictor, home, test, films, asked, recalibrated, partial)
            facts = {"films": str(len(films.table)), "labels_by": wish.labels_by}
            run = log_validation(called, version, facts, came_out.metrics, came_out.intervals, partial)
        rows = came_out.intervals.set_index("metric")
        shown = ("{0} {value:.3f} ({low:.3f} to {high:.3f})".format(each, **rows.loc[each]) for each in PRINTED)
        yield "  ".join([f"{len(films.table)} films", *shown])
        yield f"labels by: {wish.labels_by}"
        yield from came_out.findings
        yield from (reason.sentence for reason in came_out.reasons)
        if came_out.recalibration:
            yield came_out.recalibration.sentence
            decision = predictor.decision.with_site(site, came_out.recalibration.of_site)
            knows = home and with_films_that_chose(home, films, came_out.recalibration.rows)
            yield register_recalibrated(files, decision, site, knows, version, run)
    yield f"{directory / 'report.html'}; run validation-{called} ({run[:8]})"
