"""Procedural chest radiographs from a seed, for a machine without films and without a network.

A patient has one diagnosis and one anatomy; films of a patient differ in pose, exposure and severity. Anatomy,
pose, exposure, noise and encoding are drawn alike for every diagnosis: nothing but the opacity gives it away.
"""

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pydicom
import scipy.fft
from PIL import Image, ImageDraw
from pydantic import Field, StrictInt
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid
from scipy.ndimage import gaussian_filter

from pneumonia.params.blocks import SourceBlock, Whole
from pneumonia.params.stages import Compute
from pneumonia.sources.parts.raw import Box, Film, write_index
from pneumonia.sources.phantom.thorax import FULL_LUNG, Anatomy, Chest, Map, Pose, draw_anatomy, draw_chest
from pneumonia.workers import parallel_map

HAS_BOXES = True


class Settings(SourceBlock):
    """The source's block in params.yaml."""

    patients: Annotated[StrictInt, Field(ge=1, le=100_000)]
    image_size: Annotated[StrictInt, Field(ge=64, le=2048)]
    format: Literal["jpeg", "png", "dicom"]
    seed: Whole


DIAGNOSES = {"normal": 0.27, "bacterial": 0.46, "viral": 0.27}
"""The share of patients with each, about as in the Kermany films."""

FILMS_A_PATIENT = [0.72, 0.18, 0.07, 0.03]
"""The shares of patients with one to four films: 1.41 films on average."""

SUFFIXES = {"jpeg": "jpeg", "png": "png", "dicom": "dcm"}

CENTRES = [(0.40, -0.46), (0.50, -0.08), (0.55, 0.20), (0.32, 0.16)]
"""The centres of consolidations: upper lobe, middle, base at the wall, base at the heart; x outwards."""

NOISE_GRID = 128


def fetch(settings: Settings, directory: Path, compute: Compute) -> None:
    """Make the films of `settings.patients` patients in the empty `directory` (see `parts.raw`).

    A film depends only on the seed, its patient's number and its own: more patients leave the first ones as they are.
    """
    (directory / "images").mkdir()
    make = functools.partial(make_patient, settings, directory)
    films, boxes = [], []
    for patient_films, patient_boxes in parallel_map(make, range(settings.patients), compute, "making phantoms"):
        films += patient_films
        boxes += patient_boxes
    source = {"name": "phantom", "licence": "MIT (generated)", **settings.model_dump(exclude={"recommended"})}
    write_index(directory, films, source, boxes)


def make_patient(settings: Settings, directory: Path, number: int) -> tuple[list[Film], list[Box]]:
    """Write the films of one patient; return their rows of `index.csv` and of `boxes.csv`."""
    rng = _generator(settings.seed, number)
    label = str(rng.choice(list(DIAGNOSES), p=list(DIAGNOSES.values())))
    anatomy = draw_anatomy(rng)
    patient, sex, age = f"phantom-{number + 1:04}", str(rng.choice(["F", "M"])), int(rng.integers(1, 90))
    films, boxes = [], []
    for visit in range(1, 2 + int(rng.choice(len(FILMS_A_PATIENT), p=FILMS_A_PATIENT))):
        film_rng = _generator(settings.seed, number, visit)
        grey, film_boxes = render(film_rng, anatomy, label, settings.image_size)
        name = f"patient{number + 1:04}_{visit}"
        file = f"images/{name}.{SUFFIXES[settings.format]}"
        quality = int(film_rng.integers(75, 96))
        if settings.format == "dicom":
            film = _dicom(grey, f"{settings.seed} {name}", film_rng)
            film.PatientID, film.PatientSex, film.PatientAge = patient, sex, f"{age:03}Y"
            film.save_as(directory / file, enforce_file_format=True)
        else:
            pixels = np.rint(255 * grey).astype(np.uint8)
            Image.fromarray(pixels).save(directory / file, quality=quality)  # which PNG ignores
        films.append(Film(file, label, patient))
        boxes += [Box(file, *box) for box in film_boxes]
    return films, boxes


def render(
    rng: np.random.Generator, anatomy: Anatomy, label: str, size: int
) -> tuple[np.ndarray, list[tuple[int, int, int, int]]]:
    """A random film of a patient: grey values 0 to 1, float32 (size, size), and a box in pixels around each opacity.

    Opacities are drawn last of what is random in the picture: with another label the film differs in them alone.
    """
    pose, exposure = draw_pose(rng), draw_exposure(rng)
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


@dataclass(frozen=True)
class Consolidation:
    """A part of a lobe whose alveoli are full of fluid."""

    x: float
    y: float
    radius: float
    aspect: float
    density: float  # share of the air that is replaced
    softness: float  # of the border, share of the radius
    fissure: float | None  # how far below the centre the lobe ends, shares of the radius
    seed: int

    def attenuation(self, chest: Chest) -> Map:
        """What attenuation it adds: thick, cloudy, with branches of air in it where bronchi accompany the vessels."""
        rng = np.random.default_rng(self.seed)
        x, y = chest.x - np.float32(self.x), chest.y - np.float32(self.y)
        inside = 1 - np.hypot(x * self.aspect, y / self.aspect) / self.radius
        size = chest.x.shape[0]
        inside += 0.20 * _noise(rng, size, 2, 5) + 0.10 * _noise(rng, size, 6, 14)
        mask = 0.5 + 0.5 * np.tanh(2 * inside / self.softness)
        if self.fissure is not None:
            mask *= 0.5 + 0.5 * np.tanh((self.fissure * self.radius - y + 0.15 * x) / 0.015)
        clouds = 1 + 0.08 * _noise(rng, size, 4, 24)
        return FULL_LUNG * self.density * chest.air * mask * clouds * (1 - 0.55 * chest.vessels)


@dataclass(frozen=True)
class Interstitial:
    """Thickened walls around bronchi, vessels and alveoli of one lung."""

    side: int  # −1 the right lung, 1 the left
    y: float  # where it is worst
    spread: float
    density: float
    seed: int

    def attenuation(self, chest: Chest) -> Map:
        """What attenuation it adds: patchy haze, a net of lines, cuffs around the vessels, worst around the hilum."""
        rng = np.random.default_rng(self.seed)
        size = chest.x.shape[0]
        out = self.side * chest.x
        place = np.exp(-(((out - 0.38) / 0.36) ** 2) - ((chest.y - np.float32(self.y)) / self.spread) ** 2)
        patches = np.clip(0.85 + 0.35 * _noise(rng, size, 1, 5), 0, 2)
        net = sum(np.exp(-((_noise(rng, size, low, 2 * low) / 0.35) ** 2)) for low in (9, 16))
        pattern = 0.40 + 0.55 * net + 0.25 * chest.vessels
        return FULL_LUNG * self.density * chest.air * (out > 0) * place * patches * pattern


Opacity = Consolidation | Interstitial


def draw_opacities(rng: np.random.Generator, label: str) -> list[Opacity]:
    """The opacities of a film: one or two consolidations (`bacterial`), both lungs (`viral`), else none.

    Severity runs from what a reader may miss to what nobody does.
    """
    severity = rng.beta(1.3, 1.3)
    if label == "bacterial":
        first = rng.choice([-1, 1])
        number = 1 if rng.random() < 0.7 else 2
        return [_draw_consolidation(rng, severity, side) for side in (first, -first)[:number]]
    if label == "viral":
        y, spread = rng.uniform(-0.1, 0.15), rng.uniform(0.35, 0.55)
        densities = ((0.24 + 0.40 * severity) * rng.uniform(0.75, 1.25, 2)).tolist()
        return [
            Interstitial(side, y, spread, density, int(rng.integers(2**31)))
            for side, density in zip((-1, 1), densities, strict=True)
        ]
    return []


def _draw_consolidation(rng: np.random.Generator, severity: float, side: int) -> Consolidation:
    x, y = CENTRES[rng.integers(len(CENTRES))] + rng.normal(0, 0.05, 2)
    return Consolidation(
        x=side * x,
        y=y,
        radius=rng.uniform(0.21, 0.32) * (0.85 + 0.40 * severity),
        aspect=rng.uniform(0.8, 1.25),
        density=(0.46 + 0.46 * severity) * rng.uniform(0.85, 1.15),
        softness=rng.uniform(0.25, 0.55),
        fissure=rng.uniform(0.1, 0.6) if rng.random() < 0.35 else None,
        seed=int(rng.integers(2**31)),
    )


def bounding_box(added: Map) -> tuple[int, int, int, int]:
    """The box (x, y, width, height), in pixels, around where an opacity adds over a tenth of its maximum."""
    rows, columns = np.nonzero(added > 0.1 * added.max())
    x, y = int(columns.min()), int(rows.min())
    return x, y, int(columns.max()) - x + 1, int(rows.max()) - y + 1


def _noise(rng: np.random.Generator, size: int, low: float, high: float) -> Map:
    """Noise of zero mean and unit deviation with `low` to `high` waves across the film, whatever its size."""
    spectrum = scipy.fft.rfft2(rng.standard_normal((NOISE_GRID, NOISE_GRID), dtype=np.float32))
    waves = np.hypot(np.fft.fftfreq(NOISE_GRID)[:, None], np.fft.rfftfreq(NOISE_GRID)) * NOISE_GRID
    band = np.exp(-((waves / high) ** 2)) - np.exp(-((waves / low) ** 2))
    noise = scipy.fft.irfft2(spectrum * band)
    noise = Image.fromarray((noise / noise.std()).astype(np.float32))
    return np.asarray(noise.resize((size, size), Image.Resampling.BICUBIC))


def draw_pose(rng: np.random.Generator) -> Pose:
    """A random pose, as a technician's care leaves it."""
    return Pose(
        rotation=rng.normal(0, 0.035),
        scale=rng.uniform(0.93, 1.08),
        shift=(rng.normal(0, 0.025), rng.normal(0, 0.025)),
        turn=rng.normal(0, 0.02),
        expiration=0.16 * rng.beta(1.4, 3.0),
    )


@dataclass(frozen=True)
class Exposure:
    """The technique of one film."""

    level: float  # the attenuation shown as mid-grey
    contrast: float
    gamma: float
    blur: float  # of the detector, 1/256 of the film
    noise: float  # standard deviation in the lungs, as attenuation
    collimation: tuple[float, float, float, float]  # borders left, top, right, bottom, shares of the film
    marker: str  # a lead letter beside the patient's right or left shoulder, or none
    seed: int


def draw_exposure(rng: np.random.Generator) -> Exposure:
    """A random technique, of the same distribution for every diagnosis."""
    return Exposure(
        level=rng.normal(0.50, 0.02),
        contrast=rng.uniform(4.1, 5.1),
        gamma=rng.uniform(0.85, 1.2),
        blur=rng.uniform(0.4, 0.9),
        noise=rng.uniform(0.006, 0.020),
        collimation=tuple((rng.uniform(0, 0.04, 4) * (rng.random(4) < 0.3)).tolist()),
        marker=str(rng.choice(["L", "R", ""], p=[0.45, 0.35, 0.2])),
        seed=int(rng.integers(2**31)),
    )


def expose(attenuation: Map, exposure: Exposure) -> Map:
    """The film's grey values, 0 (black) to 1, float32 (S, S)."""
    size = len(attenuation)
    rng = np.random.default_rng(exposure.seed)
    seen = gaussian_filter(attenuation, exposure.blur * size / 256, truncate=3)
    grain = gaussian_filter(rng.standard_normal(seen.shape, dtype=np.float32), 0.6, truncate=2.5) * 2
    seen += exposure.noise * grain * np.exp(0.9 * (seen - 0.2))  # fewer photons, more noise
    grey = _response(seen, exposure)
    if exposure.marker:
        grey = np.maximum(grey, _marker(exposure.marker, size))
    left, top, right, bottom = (round(share * size) for share in exposure.collimation)
    grey[:top] = grey[size - bottom :] = grey[:, :left] = grey[:, size - right :] = 0
    return grey


def _response(seen: Map, exposure: Exposure) -> Map:
    """The characteristic curve: straight in the middle, flat where there is too much or too little light."""
    curve = 0.5 + 0.5 * np.tanh(exposure.contrast / 2 * (seen - exposure.level))
    black = 0.5 + 0.5 * math.tanh(exposure.contrast / 2 * (0.02 - exposure.level))
    return np.clip((curve - black) / (0.97 - black), 0, 1) ** exposure.gamma


def _marker(letter: str, size: int) -> Map:
    image = Image.new("L", (size, size))
    x = 0.90 if letter == "L" else 0.06
    ImageDraw.Draw(image).text((x * size, 0.06 * size), letter, fill=240, font_size=max(8, size // 18))
    return np.asarray(image, dtype=np.float32) / 255
