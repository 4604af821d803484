"""How a film is taken: the patient's pose, and the exposure that turns attenuation into grey."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from pneumonia.sources.phantom.hospitals import HOSPITALS, Hospital
from pneumonia.sources.phantom.thorax import Map, Pose

_ON_THE_LEFT = {hospital.letters[0] for hospital in HOSPITALS.values()}


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
    plate: bool  # whether it is a large one on a black plate
    seed: int


def draw_exposure(rng: np.random.Generator, hospital: Hospital, label: str) -> Exposure:
    """A random technique, of the same distribution for every diagnosis, but where the hospital's letters tell it."""
    marked = hospital.marked_if[label] if hospital.marked_if else hospital.marked
    return Exposure(
        level=rng.normal(hospital.level, 0.02),
        contrast=rng.uniform(*hospital.contrast),
        gamma=rng.uniform(*hospital.gamma),
        blur=rng.uniform(0.4, 0.9),
        noise=rng.uniform(*hospital.noise),
        collimation=tuple((rng.uniform(0, hospital.border, 4) * (rng.random(4) < hospital.collimated)).tolist()),
        marker=str(rng.choice([*hospital.letters, ""], p=marked)),
        plate=hospital.plates,
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
        grey = _with_marker(grey, exposure)
    left, top, right, bottom = (round(share * size) for share in exposure.collimation)
    grey[:top] = grey[size - bottom :] = grey[:, :left] = grey[:, size - right :] = 0
    return grey


def _response(seen: Map, exposure: Exposure) -> Map:
    """The characteristic curve: straight in the middle, flat where there is too much or too little light."""
    curve = 0.5 + 0.5 * np.tanh(exposure.contrast / 2 * (seen - exposure.level))
    black = 0.5 + 0.5 * math.tanh(exposure.contrast / 2 * (0.02 - exposure.level))
    return np.clip((curve - black) / (0.97 - black), 0, 1) ** exposure.gamma


def _with_marker(grey: Map, exposure: Exposure) -> Map:
    size = len(grey)
    height = size // 9 if exposure.plate else max(8, size // 18)
    left, top = (0.90 if exposure.marker in _ON_THE_LEFT else 0.06) * size, 0.06 * size
    image = Image.new("L", (size, size))
    pen = ImageDraw.Draw(image)
    if exposure.plate:
        left = min(left, 0.94 * size - height)
        pen.rectangle((left, top, left + height, top + height), fill=1)
        grey = np.where(np.asarray(image), 0, grey).astype(np.float32)
    pen.text((left, top), exposure.marker, fill=240, font_size=height)
    return np.maximum(grey, np.asarray(image, dtype=np.float32) / 255)
