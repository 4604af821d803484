"""Labelled films from elsewhere, read as a model takes them, without those that it has seen."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pneumonia.errors import UserError
from pneumonia.evaluation.film_measures import film_measures
from pneumonia.evaluation.home import SALT_CHECK, Home
from pneumonia.inference.decision import Decision
from pneumonia.inference.familiarity import Familiarity
from pneumonia.params.stages import Compute
from pneumonia.preparation.cleaning.clean_one import FACTS
from pneumonia.preparation.packed.recognition import film_hashes, known
from pneumonia.radiographs.deidentification import pseudonym
from pneumonia.radiographs.radiograph import UnreadableRadiograph
from pneumonia.radiographs.read import read_radiograph, refuse_unusable, resize
from pneumonia.workers import parallel_map

HERE = Compute(scheduler="local", workers=-1)

SEEN, OF_SEEN_PATIENT = "seen in training or validation", "of a patient who was in training or validation"
SEEN_KINDS = (SEEN, OF_SEEN_PATIENT)
TOLD = ("view", "sex", "age")
"""What a table may say of a film in place of its header."""

CANNOT_TELL = "this version does not carry what it was trained on: whether it has seen these films cannot be told"
OTHER_SALT = (
    "patients cannot be recognised, since another salt hid their names where the version was trained (PNEUMONIA_SALT); "
    "films can"
)


@dataclass(frozen=True, eq=False)
class FilmsElsewhere:
    """Films that can be asked about, and what became of the others."""

    table: pd.DataFrame
    """A row a film: those of `labelled_films`, the film's `clean_one.FACTS`, what `film_measures` has, `side` (the root
    of its pixels), its `remark` (see `familiarity`), and `image`, its row in `images`."""
    images: np.ndarray
    """uint8 (N, S, S)."""
    left_out: pd.DataFrame
    """`file` and `reason` of each film that is left out."""
    remarks: list[str]
    """What could not be told of them."""

    def counts(self) -> pd.DataFrame:
        """How many films are left out, by the kind of their reason."""
        kinds = self.left_out["reason"].astype(str).str.split(":").str[0].value_counts()
        return kinds.rename_axis("reason").rename("films").reset_index()


def read_films(
    films: pd.DataFrame, decision: Decision, familiarity: Familiarity, home: Home | None, other_patients: bool
) -> FilmsElsewhere:
    """Read `films` (see `labelled_films`), without the unreadable, copies of others, and those that the model has seen.

    `other_patients` says that patients called as those at home are others.

    Raises:
        UserError: none is left.
    """
    read_one = partial(_read_one, size=decision.image_size, min_size=decision.min_size, familiarity=familiarity)
    results = list(parallel_map(read_one, [path.absolute() for path in films["path"]], HERE, "reading films"))
    reasons = {row: result for row, result in enumerate(results) if isinstance(result, str)}
    readable = [row for row in range(len(results)) if row not in reasons]
    images = [result[0] for result in results if not isinstance(result, str)]
    reasons |= dict(_copies(films, readable, images))
    hashes = dict(zip(readable, film_hashes(np.array(images)), strict=True)) if home else {}
    remarks, seen = _seen(films, hashes, home, other_patients)
    reasons = seen | reasons
    left_out = films.loc[sorted(reasons), ["file"]].assign(reason=[reasons[row] for row in sorted(reasons)])
    kept = [row for row in readable if row not in reasons]
    if not kept:
        raise UserError(_why_none(left_out, remarks))
    packed = np.stack([results[row][0] for row in kept])
    facts = pd.DataFrame([results[row][1] for row in kept])
    table = films.loc[kept].reset_index(drop=True)
    table = _with_facts(table, facts).join(film_measures(packed))
    table = table.assign(side=np.sqrt(facts["width"] * facts["height"]), image=range(len(kept)))
    return FilmsElsewhere(table, packed, left_out.reset_index(drop=True), remarks)


def with_films_that_chose(home: Home, films: FilmsElsewhere, rows: np.ndarray) -> Home:
    """`home` that also knows the `films` in `rows`, and their patients if the salt is that of home: films that chose a
    decision can no longer test it.
    """
    named = films.table.iloc[rows].loc[lambda table: table["is_named"], "patient"]
    patients = {pseudonym(name) for name in named} if pseudonym(SALT_CHECK) == home.salt else set()
    return home.model_copy(
        update={
            "films": sorted([*home.films, *film_hashes(films.images[rows])]),
            "patients": sorted({*home.patients, *patients}),
        }
    )


def _with_facts(films: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    """`films` with the `facts` of their files; what a table tells of view, sex and age goes before."""
    known = facts.copy()
    for name in TOLD:
        if name in films:
            told = films[name].astype(str).str.strip()
            known[name] = told.where(told != "", facts[name])
    known["age"] = pd.to_numeric(known["age"], errors="coerce")
    return films.drop(columns=[name for name in known if name in films]).join(known)


def _read_one(
    path: Path, size: int, min_size: int, familiarity: Familiarity
) -> tuple[np.ndarray, dict[str, Any]] | str:
    """The packed film of `path` and its facts, or the reason why it cannot be used."""
    try:
        film = read_radiograph(path)
        refuse_unusable(film, min_size)
    except UnreadableRadiograph as error:
        return str(error)
    facts = {name: getattr(film, name) for name in FACTS}
    return resize(film.pixels, size), facts | {"remark": familiarity.remark(film)}


def _copies(films: pd.DataFrame, rows: list[int], images: list[np.ndarray]) -> Iterator[tuple[int, str]]:
    """The films with the packed pixels of an earlier one, and why they are left out."""
    same: dict[bytes, list[int]] = {}
    for row, image in zip(rows, images, strict=True):
        same.setdefault(hashlib.sha256(image.tobytes()).digest(), []).append(row)
    for alike in same.values():
        conflict = films.loc[alike, "label"].nunique() > 1
        for row in alike if conflict else alike[1:]:
            other = films.at[next(each for each in alike if each != row), "file"]
            yield row, f"label conflict: same pixels as {other}" if conflict else f"duplicate: same pixels as {other}"


def _seen(
    films: pd.DataFrame, hashes: dict[int, str], home: Home | None, other_patients: bool
) -> tuple[list[str], dict[int, str]]:
    """What could not be told, and which rows of `films` the model has seen, with the reason."""
    if home is None:
        return [CANNOT_TELL], {}
    rows = np.array(list(hashes), int)
    reasons = {int(row): SEEN for row in rows[known(list(hashes.values()), home.films)]}
    named = films[films["is_named"]]
    if other_patients or named.empty:
        return [], reasons
    if pseudonym(SALT_CHECK) != home.salt:
        return [OTHER_SALT], reasons
    theirs = set(home.patients)
    seen = {name for name in named["patient"].unique() if _pseudonyms(name) & theirs}
    of_seen = named.index[named["patient"].isin(seen)]
    return [], {int(row): OF_SEEN_PATIENT for row in of_seen} | reasons


def _pseudonyms(patient: str) -> set[str]:
    """What a version may carry of a patient who is called so here.

    A table and a DICOM file give a pseudonym, a class folder the name itself: here, at home, or both.
    """
    once = pseudonym(patient)
    return {patient, once, pseudonym(once)}


def _why_none(left_out: pd.DataFrame, remarks: list[str]) -> str:
    kinds = left_out["reason"].str.split(":").str[0].value_counts()
    told = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    hint = "; --other-patients where patients only have the same names" if OF_SEEN_PATIENT in kinds else ""
    return "; ".join([f"no film is left to validate on: of {len(left_out)}, {told}{hint}", *remarks])
