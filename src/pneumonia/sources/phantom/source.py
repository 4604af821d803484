"""Procedural chest radiographs from a seed, for a machine without films and without a network.

A patient has one diagnosis and one anatomy; films of a patient differ in pose, exposure and severity. Anatomy,
pose, exposure, noise and encoding are drawn alike for every diagnosis: nothing but the opacity gives it away, at
`home`. What other hospitals do is in `hospitals`.
"""

import functools
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pydicom
from PIL import Image
from pydantic import AfterValidator, Field, StrictInt
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from pneumonia.params.blocks import Seed, SourceBlock
from pneumonia.params.stages import Compute
from pneumonia.sources.phantom.exposure import draw_exposure, draw_pose, expose
from pneumonia.sources.phantom.hospitals import HOSPITALS, Hospital
from pneumonia.sources.phantom.opacities import bounding_box, draw_opacities
from pneumonia.sources.phantom.thorax import Anatomy, draw_anatomy, draw_chest
from pneumonia.sources.shared.raw import Box, Film, write_index
from pneumonia.workers import parallel_map

HAS_BOXES = True


def _each_once(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError(f"is {names}; it should name each hospital once")
    return names


class Settings(SourceBlock):
    """The source's block in params.yaml."""

    patients: Annotated[StrictInt, Field(ge=1, le=100_000)]
    image_size: Annotated[StrictInt, Field(ge=64, le=2048)]
    format: Literal["jpeg", "png", "dicom"]
    seed: Seed
    hospitals: Annotated[list[Literal["home", "away", "lettered"]], Field(min_length=1), AfterValidator(_each_once)]


FILMS_A_PATIENT = [0.72, 0.18, 0.07, 0.03]
"""The shares of patients with one to four films: 1.41 films on average."""

SUFFIXES = {"jpeg": "jpeg", "png": "png", "dicom": "dcm"}


def fetch(settings: Settings, directory: Path, compute: Compute) -> None:
    """Make the films of `settings.patients` patients of each hospital in the empty `directory` (see `shared.raw`).

    A film depends only on the seed, its hospital, its patient's number and its own: more patients, or hospitals, leave
    the first ones as they are. Those of `home` alone are of no site.
    """
    for hospital in settings.hospitals:
        (directory / "images" / _folder(hospital)).mkdir(parents=True, exist_ok=True)
    make = functools.partial(make_patient, settings, directory)
    patients = [(hospital, number) for hospital in settings.hospitals for number in range(settings.patients)]
    films, boxes = [], []
    for patient_films, patient_boxes in parallel_map(make, patients, compute, "making phantoms"):
        films += patient_films
        boxes += patient_boxes
    if settings.hospitals == ["home"]:
        films = [replace(film, facts={}) for film in films]
    told = settings.model_dump(exclude={"recommended", "hospitals"})
    write_index(directory, films, {"name": "phantom", "licence": "MIT (generated)", **told}, boxes)


def make_patient(settings: Settings, directory: Path, place: tuple[str, int]) -> tuple[list[Film], list[Box]]:
    """Write the films of one patient, a number in a hospital; return their rows of `index.csv` and of `boxes.csv`."""
    name, number = place
    hospital, named = HOSPITALS[name], f"{_folder(name)}{number + 1:04}".replace("/", "-")
    rng = _generator(settings.seed, number, *([0, hospital.number] if hospital.number else []))
    label = str(rng.choice(list(hospital.diagnoses), p=list(hospital.diagnoses.values())))
    anatomy = draw_anatomy(rng)
    patient, sex, age = f"phantom-{named}", str(rng.choice(["F", "M"])), int(rng.integers(1, 90))
    films, boxes = [], []
    for visit in range(1, 2 + int(rng.choice(len(FILMS_A_PATIENT), p=FILMS_A_PATIENT))):
        film_rng = _generator(settings.seed, number, visit, *([hospital.number] if hospital.number else []))
        grey, film_boxes = render(film_rng, anatomy, label, settings.image_size, hospital)
        film_name = f"{_folder(name)}patient{number + 1:04}_{visit}"
        file = f"images/{film_name}.{SUFFIXES[settings.format]}"
        quality = int(film_rng.integers(75, 96))
        if settings.format == "dicom":
            film = _dicom(grey, f"{settings.seed} {film_name}", film_rng)
            film.PatientID, film.PatientSex, film.PatientAge = patient, sex, f"{age:03}Y"
            film.save_as(directory / file, enforce_file_format=True)
        else:
            pixels = np.rint(255 * grey).astype(np.uint8)
            Image.fromarray(pixels).save(directory / file, quality=quality)  # which PNG ignores
        films.append(Film(file, label, patient, facts={"site": name}))
        boxes += [Box(file, *box) for box in film_boxes]
    return films, boxes


def _folder(hospital: str) -> str:
    """Where the films of a hospital lie: those of home where they always did."""
    return "" if hospital == "home" else f"{hospital}/"


def render(
    rng: np.random.Generator, anatomy: Anatomy, label: str, size: int, hospital: Hospital = HOSPITALS["home"]
) -> tuple[np.ndarray, list[tuple[int, int, int, int]]]:
    """A random film of a patient: grey values 0 to 1, float32 (size, size), and a box in pixels around each opacity.

    Opacities are drawn last of what is random in the picture: with another label the film differs in them alone, and
    in the letter where the hospital's goes with the label.
    """
    pose, exposure = draw_pose(rng), draw_exposure(rng, hospital, label)
    chest = draw_chest(anatomy, pose, size)
    added = [opacity.attenuation(chest) for opacity in draw_opacities(rng, label)]
    return expose(sum(added, start=chest.attenuation), exposure), [bounding_box(one) for one in added]


def _generator(*key: int) -> np.random.Generator:
    """A generator of its own for (seed, patient), and for (seed, patient, film).

    It takes a spawn key, since entropy is padded with zeros: (seed, patient) would be (seed, patient, 0).
    """
    seed, *spawn_key = key
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=spawn_key)))


def _dicom(grey: np.ndarray, identity: str, rng: np.random.Generator) -> FileDataset:
    """A digital X-ray of 12 bits; one in four has its greys inverted (MONOCHROME1), as some scanners write them."""
    inverted = rng.random() < 0.25
    stored = np.rint(4095 * grey).astype("<u2")
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["phantom film", identity])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film = FileDataset("", pydicom.Dataset(), file_meta=meta, preamble=b"\0" * 128)
    film.SOPClassUID, film.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    film.StudyInstanceUID = generate_uid(entropy_srcs=["phantom study", identity])
    film.SeriesInstanceUID = generate_uid(entropy_srcs=["phantom series", identity])
    film.PatientName, film.Modality = "Phantom^Generated", "DX"
    film.ViewPosition = str(rng.choice(["AP", "PA"]))
    film.Rows, film.Columns = grey.shape
    film.PixelSpacing = [f"{350 / side:.4f}" for side in grey.shape]  # mm, of a detector of 35 cm
    film.SamplesPerPixel, film.PixelRepresentation = 1, 0
    film.BitsAllocated, film.BitsStored, film.HighBit = 16, 12, 11
    film.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    film.PixelData = (4095 - stored if inverted else stored).tobytes()
    return film
