"""Every readable film of a raw directory, once, resized and packed into one array.

The directory that `clean` writes is read by all later stages: `images.npy` (uint8, N x S x S), `index.csv` (row k is
`images[k]`), `rejected.csv` (file, reason) and `boxes.csv`, in pixels of the packed images, empty where the source has
none, and `near_duplicates.csv`, empty where copies are not looked for.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pneumonia.errors import UserError
from pneumonia.outputs import whole_directory
from pneumonia.params.load import Params
from pneumonia.params.stages import Compute
from pneumonia.preparation.cleaning.clean_one import FACTS, pack_film, pixel_hashes
from pneumonia.preparation.cleaning.report import reason_kind, write_report
from pneumonia.sources.shared.raw import BOX_COLUMNS, INDEX_COLUMNS, read_index
from pneumonia.workers import parallel_map

log = logging.getLogger(__name__)

COPY_COLUMNS = ["first", "second", "alike"] + [
    f"{which}_{column}" for column in ("file", "label", "patient") for which in ("first", "second")
]


def clean(params: Params, raw: Path, out: Path, report: Path) -> None:
    """Fill `out`, wholly or not at all, from the films of `raw`; write `clean.json` and `clean/*.png` into `report`.

    Files are rejected that give no radiograph, are constant or too small. Of films with the same pixels, all but the
    first (by file name) are rejected, and all where their labels differ. With `clean.near_duplicates` the pairs of
    films that are copies, but not identical, are in `near_duplicates.csv`, and those that are identical under two
    patients. Grouped, the patients of a pair are one.

    Raises:
        UserError: no `raw/index.csv`, more than `clean.max_rejected` of the files rejected, none left, or a Dask
            scheduler that cannot be reached.
    """
    if not (raw / "index.csv").is_file():
        raise UserError(f"{raw}: has no index.csv; `dvc repro clean` downloads what it needs")
    films = read_index(raw).sort_values("file", ignore_index=True)
    raw = raw.resolve()  # workers of a cluster have a working directory of their own
    with whole_directory(out) as directory:
        unsorted = directory / "unsorted"
        packed, reasons = pack(films, raw, unsorted, params)
        same = find_same_pixels(packed, raw, params.compute)
        reasons |= why_duplicates_go(packed, same)
        rejected = films.loc[sorted(reasons), ["file"]].assign(reason=[reasons[row] for row in sorted(reasons)])
        _refuse_too_many(rejected, len(films), params.clean.max_rejected)

        kept = packed.drop(index=list(reasons), errors="ignore")
        size = params.clean.image_size
        _copy_rows(unsorted, kept["packed_row"].tolist(), size, directory / "images.npy")
        unsorted.unlink()
        images = np.load(directory / "images.npy", mmap_mode="r")
        identical, copies = _of_two_patients(packed, same), None
        if params.clean.near_duplicates != "off":
            kept, copies = _mark_copies(kept, images, identical, params.clean.near_duplicates == "group")
        if len(identical) and params.clean.near_duplicates != "group":
            log.warning(
                "%d identical films stand under two patients, as %s and %s; clean.near_duplicates: group makes the two "
                "one in the split", len(identical), *identical.loc[0, ["first_file", "second_file"]]
            )  # fmt: skip
        pairs = pd.DataFrame(columns=COPY_COLUMNS) if copies is None else copies
        pairs.to_csv(directory / "near_duplicates.csv", index=False)
        kept[columns_of(films)].to_csv(directory / "index.csv", index=False)
        rejected.to_csv(directory / "rejected.csv", index=False)
        boxes = None
        if (raw / "boxes.csv").is_file():
            boxes = scale_boxes(pd.read_csv(raw / "boxes.csv", dtype={"file": str}), kept, size)
        table = pd.DataFrame(columns=BOX_COLUMNS) if boxes is None else boxes
        table.to_csv(directory / "boxes.csv", index=False)
        write_report(kept.reset_index(drop=True), images, rejected, boxes, copies, raw, report)


def pack(films: pd.DataFrame, raw: Path, pixels: Path, params: Params) -> tuple[pd.DataFrame, dict[int, str]]:
    """Write the readable `films` into the file `pixels`, size x size bytes each, in their order.

    They are written and not mapped: a full disk would end the process at the next byte of a map, without a word. They
    are on disk, so that a data set may be larger than memory.

    Returns:
        The readable films with `FACTS`, `fingerprint` and their `packed_row` in the file; and the reason for each
        other film, by its index in `films`.
    """
    pack_one = partial(pack_film, size=params.clean.image_size, min_size=params.clean.min_size)
    facts: dict[int, dict[str, Any]] = {}
    reasons: dict[int, str] = {}
    results = parallel_map(pack_one, [raw / file for file in films["file"]], params.compute, "decoding films")
    with pixels.open("wb") as file:
        for row, result in zip(films.index, results, strict=True):
            if isinstance(result, str):
                reasons[row] = result
                continue
            file.write(result.image.tobytes())
            facts[row] = {name: value for name, value in vars(result).items() if name != "image"}
            if result.frames > 1:
                log.warning("%s holds %d frames: the first is packed", films.at[row, "file"], result.frames)
    columns = pd.DataFrame.from_dict(facts, orient="index", columns=["fingerprint", *FACTS])
    told = films.drop(columns=INDEX_COLUMNS, errors="ignore").loc[columns.index]
    for fact in told.columns.intersection(FACTS):  # what the source tells of a film comes before the film's own header
        told[fact] = told[fact].where(told[fact] != "", columns[fact])
    columns = columns.drop(columns=told.columns, errors="ignore").astype({"quality": "Int64"}).join(told)
    readable = films.drop(columns=told.columns).join(columns, how="inner")
    return readable.assign(packed_row=np.arange(len(readable))), reasons


def columns_of(films: pd.DataFrame) -> list[str]:
    """The columns of `index.csv` for `films`, rows of the source's: what it tells besides comes last."""
    return [*INDEX_COLUMNS, *FACTS, *(name for name in films if name not in (*INDEX_COLUMNS, *FACTS))]


def find_same_pixels(films: pd.DataFrame, raw: Path, compute: Compute) -> list[list[int]]:
    """The films with the pixels of another film: lists of two or more, by their index in `films`.

    Only films with the same fingerprint are decoded again, to compare all of their pixels.
    """
    suspects = [list(group.index) for _, group in films.groupby("fingerprint", sort=False) if len(group) > 1]
    files = [[raw / films.at[row, "file"] for row in rows] for rows in suspects]
    same_pixels = defaultdict(list)
    for rows, hashes in zip(suspects, parallel_map(pixel_hashes, files, compute, "comparing films"), strict=True):
        for row, pixels in zip(rows, hashes, strict=True):
            same_pixels[pixels].append(row)
    return [rows for rows in same_pixels.values() if len(rows) > 1]


def why_duplicates_go(films: pd.DataFrame, same: list[list[int]]) -> dict[int, str]:
    """Why films that are the `same` are rejected, by their index in `films`."""
    reasons: dict[int, str] = {}
    for rows in same:
        named = [f"{films.at[row, 'file']} ({films.at[row, 'label']})" for row in rows]
        if films.loc[rows, "label"].nunique() > 1:
            reasons |= dict.fromkeys(rows, f"label conflict: same pixels in {', '.join(named)}")
        else:
            reasons |= dict.fromkeys(rows[1:], f"duplicate: same pixels as {films.at[rows[0], 'file']}")
    return reasons


def _of_two_patients(films: pd.DataFrame, same: list[list[int]]) -> pd.DataFrame:
    """The pairs of films that are the `same` under two patients, with `COPY_COLUMNS`: each with the first of its list.

    They have no rows among the packed films, since one of them at least is rejected.
    """
    pairs = [
        (rows[0], row) for rows in same for row in rows[1:] if films.at[row, "patient"] != films.at[rows[0], "patient"]
    ]
    none = pd.array([None] * len(pairs), dtype="Int64")
    table = pd.DataFrame({"first": none, "second": none, "alike": np.ones(len(pairs))})
    return _named(table, films, [pair[0] for pair in pairs], [pair[1] for pair in pairs])


def _named(pairs: pd.DataFrame, films: pd.DataFrame, first: Sequence[int], second: Sequence[int]) -> pd.DataFrame:
    """`pairs` with file, label and patient of the films `first` and `second`, by their index in `films`."""
    for column in ("file", "label", "patient"):
        for which, rows in (("first", first), ("second", second)):
            pairs[f"{which}_{column}"] = films.loc[rows, column].to_numpy()
    return pairs


def _mark_copies(
    films: pd.DataFrame, images: np.ndarray, identical: pd.DataFrame, group: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`films`, those that are copies of each other of one patient where `group` says so, and the pairs of copies.

    The pairs are those among the packed `images` and those that are `identical` under two patients.
    """
    from pneumonia.preparation.cleaning.near_duplicates import find_copies, groups_of  # scikit-learn takes a second

    near = find_copies(images)
    near = _named(near, films, films.index[near["first"]], films.index[near["second"]])
    log.info("%d pairs of films look like copies of one film", len(near))
    pairs = pd.concat([near.astype({"first": "Int64", "second": "Int64"}), identical], ignore_index=True)
    return films.assign(patient=groups_of(pairs, films["patient"])) if group else films, pairs[COPY_COLUMNS]


def scale_boxes(boxes: pd.DataFrame, films: pd.DataFrame, size: int) -> pd.DataFrame:
    """The `boxes` of `films`, turned from pixels of the films into those of the packed images, `size` x `size`."""
    sizes = films[["file", "width", "height"]].rename(columns={"width": "film_width", "height": "film_height"})
    scaled = boxes.merge(sizes, on="file")
    scaled[["x", "width"]] = scaled[["x", "width"]].mul(size / scaled["film_width"], axis=0)
    scaled[["y", "height"]] = scaled[["y", "height"]].mul(size / scaled["film_height"], axis=0)
    return scaled[BOX_COLUMNS]


def _refuse_too_many(rejected: pd.DataFrame, films: int, max_rejected: float) -> None:
    if len(rejected) < films and len(rejected) <= max_rejected * films:
        return
    if not films:
        raise UserError("no films: data/raw/index.csv has no rows")
    kinds = rejected["reason"].map(reason_kind)
    commonest = kinds.value_counts().sort_index().idxmax()
    example = rejected[kinds == commonest].iloc[0]
    raise UserError(
        f"{len(rejected)} of {films} films rejected, clean.max_rejected is {max_rejected}; most often "
        f"{commonest!r} ({(kinds == commonest).sum()}), as {example['file']} ({example['reason']})"
    )


def _copy_rows(source: Path, rows: list[int], size: int, target: Path) -> None:
    """Write an array of the `rows` of `source` (see `pack`), as `numpy.save` would."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(rows), size, size)}
    with source.open("rb") as packed, target.open("wb") as kept:
        np.lib.format.write_array_header_1_0(kept, header)
        for row in rows:
            packed.seek(row * size * size)
            kept.write(packed.read(size * size))
