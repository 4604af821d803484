"""Procedural chest radiographs from a seed, for a machine without films and without a network.

A patient has one diagnosis and one anatomy; films of a patient differ in pose, exposure and severity. Pose, exposure,
noise and encoding are drawn alike for every diagnosis: the opacity is the only thing that tells.
"""

import functools
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from pneumonia.compute import parallel_map
from pneumonia.params import Compute, Phantom
from pneumonia.sources import thorax
from pneumonia.sources.raw import Box, Film, write_index

DIAGNOSES = {"normal": 0.27, "bacterial": 0.46, "viral": 0.27}
"""The shares among patients, about those of the Kermany films."""

FILMS_A_PATIENT = [0.72, 0.18, 0.07, 0.03]
"""The shares of patients with one film to four: 1.41 on average."""

SUFFIXES = {"jpeg": "jpeg", "png": "png", "dicom": "dcm"}


def fetch(settings: Phantom, directory: Path, compute: Compute) -> None:
    """Make the films of `settings.patients` patients in `directory` (see `sources.raw`).

    A film depends on the seed, its patient's number and its own alone: more patients leave the first ones as they are.
    """
    (directory / "images").mkdir()
    make = functools.partial(make_patient, settings, directory)
    films, boxes = [], []
    for patient_films, patient_boxes in parallel_map(make, range(settings.patients), compute, "making phantoms"):
        films += patient_films
        boxes += patient_boxes
    source = {"name": "phantom", "licence": "MIT (generated)", **settings.model_dump()}
    write_index(directory, films, source, boxes)


def make_patient(settings: Phantom, directory: Path, number: int) -> tuple[list[Film], list[Box]]:
    """Write the films of one patient; their rows of `index.csv` and of `boxes.csv`."""
    rng = np.random.default_rng([settings.seed, number])
    label = str(rng.choice(list(DIAGNOSES), p=list(DIAGNOSES.values())))
    anatomy = thorax.draw_anatomy(rng)
    films, boxes = [], []
    for visit in range(int(rng.choice(len(FILMS_A_PATIENT), p=FILMS_A_PATIENT)) + 1):
        film_rng = np.random.default_rng([settings.seed, number, visit])
        exposure = thorax.draw_exposure(film_rng)
        opacities = thorax.draw_opacities(film_rng, label)
        film = thorax.render(anatomy, exposure, opacities, settings.image_size)
        file = f"images/patient{number:05}_{visit + 1}.{SUFFIXES[settings.format]}"
        _write(film.pixels, directory / file, settings.format, f"phantom-{number:05}", film_rng)
        films.append(Film(file, label, patient=f"phantom-{number:05}"))
        boxes += [Box(file, *box) for box in film.boxes]
    return films, boxes


def _write(pixels: np.ndarray, path: Path, form: str, patient: str, rng: np.random.Generator) -> None:
    if form == "dicom":
        _dicom(pixels, path.name, patient, rng).save_as(path, enforce_file_format=True)
    elif form == "jpeg":
        Image.fromarray(pixels).save(path, quality=int(rng.integers(75, 96)))
    else:
        Image.fromarray(pixels).save(path)


def _dicom(pixels: np.ndarray, name: str, patient: str, rng: np.random.Generator) -> FileDataset:
    """A digital X-ray of 12 bits; one in four has its greys inverted (MONOCHROME1), as some scanners write them."""
    inverted = rng.random() < 0.25
    stored = pixels.astype(np.uint16) * 16
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[name, patient, str(rng.integers(2**62))])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film = FileDataset(name, pydicom.Dataset(), file_meta=meta, preamble=b"\0" * 128)
    film.SOPClassUID, film.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    film.PatientID, film.PatientName = patient, "Phantom^Generated"
    film.PatientSex, film.PatientAge = str(rng.choice(["F", "M"])), f"{rng.integers(1, 90):03}Y"
    film.Modality, film.ViewPosition = "DX", str(rng.choice(["AP", "PA"]))
    film.Rows, film.Columns = pixels.shape
    film.PixelSpacing = [str(round(350 / pixels.shape[0], 4))] * 2
    film.SamplesPerPixel, film.PixelRepresentation = 1, 0
    film.BitsAllocated, film.BitsStored, film.HighBit = 16, 12, 11
    film.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    film.PixelData = (4080 - stored if inverted else stored).tobytes()
    return film
