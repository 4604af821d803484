"""A healthy chest as the beam meets it, drawn from anatomical landmarks.

Beer and Lambert: the logarithm of what a detector receives falls with the attenuation summed along the ray, so organs
are maps of attenuation that add up. Places are (x, y): x from −1 to 1 towards the patient's left, which is the film's
right, and y from −1 to 1 downwards. The trunk attenuates about 0.7, and full lungs take 0.5 of that away.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import cycle, repeat

import numpy as np
from PIL import Image, ImageDraw
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter

Map = np.ndarray  # float32 (S, S)
Places = np.ndarray  # float64 (..., 2), x and y

# Where both sides share landmarks, their x is outwards from the midline.
# From the apex down the chest wall to the costophrenic angle, along the diaphragm and up the mediastinum.
LUNG = np.array([(0.25, -0.79), (0.37, -0.755), (0.48, -0.66), (0.60, -0.46), (0.69, -0.16), (0.74, 0.14),
    (0.765, 0.38), (0.772, 0.50), (0.765, 0.55), (0.74, 0.535), (0.66, 0.435), (0.53, 0.36), (0.38, 0.335),
    (0.22, 0.385), (0.12, 0.44), (0.085, 0.40), (0.085, 0.20), (0.09, -0.10), (0.095, -0.40), (0.115, -0.62),
    (0.165, -0.75)])  # fmt: skip
# From the right of the neck down the vena cava and right atrium, under the heart to its apex, up the left ventricle,
# the pulmonary trunk and the aortic knob.
MEDIASTINUM = np.array([(-0.10, -1.30), (-0.105, -0.80), (-0.125, -0.45), (-0.125, -0.15), (-0.185, 0.05),
    (-0.205, 0.22), (-0.17, 0.38), (-0.08, 0.47), (0.15, 0.52), (0.35, 0.50), (0.47, 0.45), (0.515, 0.35),
    (0.48, 0.19), (0.385, 0.04), (0.265, -0.09), (0.19, -0.16), (0.165, -0.23), (0.195, -0.29), (0.205, -0.35),
    (0.18, -0.41), (0.125, -0.47), (0.105, -0.62), (0.10, -0.80), (0.09, -1.30)])  # fmt: skip
AORTIC_KNOB = slice(17, 20)
HEART_APEX = slice(8, 14)
TRUNK = np.array([(0.19, -1.60), (0.195, -1.02), (0.26, -0.93), (0.50, -0.87), (0.82, -0.80), (1.06, -0.62),
    (1.14, -0.36), (1.08, -0.12), (0.985, 0.04), (0.955, 0.30), (0.945, 0.70), (0.98, 1.10), (1.00, 1.60)])  # fmt: skip
CLAVICLE = np.array([(0.06, -0.575), (0.17, -0.61), (0.36, -0.675), (0.56, -0.705), (0.74, -0.745), (0.92, -0.77)])
SCAPULA = np.array([(0.76, -0.60), (0.88, -0.68), (1.00, -0.62), (0.95, -0.40), (0.885, -0.10), (0.85, 0.03),
    (0.81, -0.08), (0.775, -0.35)])  # fmt: skip

FULL_LUNG = 0.50
"""The attenuation that air takes away along the longest ray through a lung."""


@dataclass(frozen=True)
class Anatomy:
    """What stays the same between the films of a patient."""

    width: float
    height: float  # of the lungs
    apex: float  # of the heart, its shift outwards
    heart: float  # width
    knob: float  # of the aorta, its shift outwards
    domes: tuple[float, float]  # of the diaphragm, right and left, their shifts downwards
    rib_spacing: float
    rib_slope: float
    rib_width: float
    bone: float  # attenuation of a rib
    vessels: float  # attenuation of a large vessel
    breasts: float  # attenuation, 0 for none
    gastric_bubble: float  # air in it, 0 for none
    soft_tissue: float  # thickness of the chest wall, as attenuation
    seed: int  # of the vessels' branching


@dataclass(frozen=True)
class Pose:
    """How the patient stands before the detector, and breathes."""

    rotation: float  # radians in the plane of the film
    scale: float
    shift: tuple[float, float]
    turn: float  # about the long axis: what lies in front moves to this side, the spine to the other
    expiration: float  # 0 for a full breath in; the diaphragm stands that much higher


@dataclass(frozen=True)
class Chest:
    """A chest without disease, as maps float32 (S, S)."""

    attenuation: Map
    air: Map  # of the lungs along each ray, 0 to 1
    vessels: Map  # of the lungs, 0 to 1
    x: Map  # the place in the patient that each pixel shows
    y: Map


class Canvas:
    """Draws outlines, given in places of the patient, on maps of the posed film: at twice its size, then halved."""

    def __init__(self, pose: Pose, size: int) -> None:
        cos, sin = pose.scale * np.cos(pose.rotation), pose.scale * np.sin(pose.rotation)
        self.pose, self.size = pose, size
        self.turned = np.array([[cos, sin], [-sin, cos]])
        axis = np.linspace(-1 + 1 / size, 1 - 1 / size, size, dtype=np.float32)
        across, down = axis[None, :] - pose.shift[0], axis[:, None] - pose.shift[1]
        back = np.linalg.inv(self.turned).astype(np.float32)
        self.x, self.y = across * back[0, 0] + down * back[1, 0], across * back[0, 1] + down * back[1, 1]

    def filled(self, outlines: Iterable[Places], values: Iterable[float] = repeat(1.0)) -> Map:
        """A map of the outlines, each filled with its value, from 0 to 1; a later one covers those before."""
        image = Image.new("L", (2 * self.size, 2 * self.size))
        pen = ImageDraw.Draw(image)
        for outline, value in zip(outlines, values, strict=False):
            pen.polygon(self._pixels(outline).ravel().tolist(), fill=round(255 * value))
        return self._map(image)

    def segments(self, ends: Places, widths: np.ndarray, values: np.ndarray) -> Map:
        """A map of straight pieces (N, 2, 2) with widths and values (N,), the brightest uppermost."""
        image = Image.new("L", (2 * self.size, 2 * self.size))
        pen = ImageDraw.Draw(image)
        pixels = np.maximum(1, np.rint(widths * self.pose.scale * self.size)).astype(int).tolist()
        tones, lines = np.rint(255 * values).astype(int).tolist(), self._pixels(ends).reshape(-1, 4).tolist()
        for k in np.argsort(values, kind="stable"):
            pen.line(lines[k], fill=tones[k], width=pixels[k])
        return self._map(image)

    def blurred(self, sharp: Map, sigma: float) -> Map:
        """The map `sharp`, blurred by many pixels (`sigma` is in units of places), computed on a coarser grid."""
        coarse = max(32, min(self.size, round(3 / sigma)))
        small = np.asarray(Image.fromarray(sharp).resize((coarse, coarse), Image.Resampling.BOX))
        small = gaussian_filter(small, sigma * coarse / 2, mode="nearest")
        return np.asarray(Image.fromarray(small).resize((self.size, self.size), Image.Resampling.BICUBIC))

    def _pixels(self, places: Places) -> np.ndarray:
        return (places @ self.turned + self.pose.shift + 1) * self.size

    def _map(self, image: Image.Image) -> Map:
        return np.asarray(image.reduce(2), dtype=np.float32) / 255


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """A random patient. Large vessels, breasts and a wide heart are there to be mistaken for disease."""
    dome = rng.normal(0, 0.02)
    return Anatomy(
        width=rng.uniform(0.93, 1.07),
        height=rng.uniform(0.94, 1.06),
        apex=rng.normal(0, 0.03),
        heart=rng.uniform(0.85, 1.15),
        knob=rng.uniform(-0.03, 0.04),
        domes=(dome, dome + rng.uniform(0.02, 0.07)),
        rib_spacing=rng.uniform(0.125, 0.150),
        rib_slope=rng.uniform(0.75, 1.25),
        rib_width=rng.uniform(0.040, 0.056),
        bone=rng.uniform(0.055, 0.11),
        vessels=rng.uniform(0.10, 0.22),
        breasts=rng.uniform(0.04, 0.12) if rng.random() < 0.3 else 0.0,
        gastric_bubble=rng.uniform(0.08, 0.28) if rng.random() < 0.6 else 0.0,
        soft_tissue=rng.uniform(0.0, 0.10),
        seed=int(rng.integers(2**31)),
    )


def draw_chest(anatomy: Anatomy, pose: Pose, size: int) -> Chest:
    """The chest of `anatomy` in `pose`, as maps of `size` × `size`."""
    canvas = Canvas(pose, size)
    lungs = canvas.filled(_lung(side, anatomy, pose) for side in (-1, 1))
    side_of_trunk = _curve(TRUNK, closed=False) * (anatomy.width, 1)
    trunk = canvas.filled([np.concatenate([side_of_trunk, side_of_trunk[::-1] * (-1, 1)])])
    mediastinum = canvas.filled([_mediastinum(anatomy, pose)])
    mediastinum *= canvas.blurred(mediastinum, 0.06)  # round: thinner at its border
    air = lungs * (0.2 + 0.8 * canvas.blurred(lungs, 0.06)) * (1 - 0.74 * np.sqrt(mediastinum))

    total = trunk * (0.35 + 0.65 * canvas.blurred(trunk, 0.07)) * (0.70 + anatomy.soft_tissue)
    total += 0.07 * trunk * np.clip(0.4 + canvas.y, 0, 1)  # the belly is thicker
    total += 0.09 * mediastinum - FULL_LUNG * air
    total += _bones(canvas, anatomy, pose, lungs) - _airways(canvas, anatomy, pose)
    if anatomy.breasts:
        breasts = canvas.filled(_circle(side * 0.45, 0.20, 0.31, 0.28) for side in (-1, 1))
        breasts = canvas.blurred(breasts, 0.02) * np.clip(0.6 + 1.3 * canvas.y, 0, 1)
        total += anatomy.breasts * trunk * breasts * (0.2 + 0.8 * air)
    vessels = _vessels(canvas, anatomy) * np.minimum(lungs, 1 - 0.6 * mediastinum)
    hila = np.exp(-((np.abs(canvas.x) - 0.165) ** 2) / 0.004 - (canvas.y + 0.06 + 0.04 * canvas.x) ** 2 / 0.012)
    total += anatomy.vessels * (vessels + 0.55 * hila * lungs)
    return Chest(total, air, vessels, canvas.x, canvas.y)


def _breathed(landmarks: Places, pose: Pose) -> Places:
    """The landmarks after expiration: those on the diaphragm rise, those over the hila stay."""
    x, y = np.moveaxis(landmarks, -1, 0)
    return np.stack([x, y - pose.expiration * np.clip((y + 0.2) / 0.6, 0, 1.2)], axis=-1)


def _lung(side: int, anatomy: Anatomy, pose: Pose) -> Places:
    x, y = LUNG.T
    y = np.where(y < -0.1, y * anatomy.height, y)
    dome = anatomy.domes[0 if side == -1 else 1]
    y = y + dome * np.clip((y - 0.1) / 0.25, 0, 1)
    x = side * anatomy.width * x * (1 + 0.6 * side * pose.turn)
    return _breathed(_curve(np.stack([x, y], axis=-1)), pose)


def _mediastinum(anatomy: Anatomy, pose: Pose) -> Places:
    landmarks = MEDIASTINUM.copy()
    landmarks[AORTIC_KNOB, 0] += anatomy.knob
    landmarks[HEART_APEX, 0] += anatomy.apex
    below = np.clip((landmarks[:, 1] + 0.2) / 0.3, 0, 1)
    landmarks[:, 0] *= 1 + below * ((1 + pose.expiration) * anatomy.heart * anatomy.width - 1)
    return _breathed(_curve(landmarks, closed=False), pose) + np.array([pose.turn, 0])


def _bones(canvas: Canvas, anatomy: Anatomy, pose: Pose, lungs: Map) -> Map:
    """Ribs behind and in front, collar bones, shoulder blades and arms, spine."""
    along, rib = np.linspace(0, 1, 7)[:, None], np.arange(10)[None, :]
    start = -0.78 + anatomy.rib_spacing * rib  # at the spine
    drop = anatomy.rib_slope * (0.05 + 0.21 * np.clip(rib / 4, 0, 1))
    wall = np.interp(start + drop, LUNG[:9, 1], LUNG[:9, 0]) * anatomy.width + 0.012
    out = 0.06 + (wall - 0.06) * np.sin(np.pi / 2 * along)
    behind = np.stack([out, start + drop * (1.4 * along**2 - 0.4 * along)], axis=-1)
    inwards = wall - (wall - 0.34) * along**1.6
    front = np.stack([inwards, start + drop + anatomy.rib_slope * 0.30 * along], axis=-1)[:, :6]

    def drawn(courses: Places, width: float) -> Map:
        courses = np.moveaxis(_curve(courses, closed=False, steps=3), 1, 0)
        bands = np.stack([_ribbon(courses * (side, 1), wide * width) for side in (-1, 1) for wide in (1, 0.55)], axis=1)
        cortex_and_marrow = cycle((1.0, 0.72))
        return canvas.filled(bands.reshape(-1, *bands.shape[2:]), cortex_and_marrow)

    width, clavicle = anatomy.rib_width, CLAVICLE[:, None] * (anatomy.width, 1)
    bones = drawn(behind, width) + 0.45 * drawn(front, 1.1 * width) + 1.1 * drawn(clavicle, 1.05 * width)
    blades = canvas.filled(_curve(SCAPULA) * (side * anatomy.width, 1) for side in (-1, 1))
    bones += 0.5 * canvas.blurred(blades, 0.015)
    bones += 0.9 * canvas.filled(_circle(side * 1.06 * anatomy.width, -0.62, 0.11, 0.11) for side in (-1, 1))
    below_diaphragm = np.clip(4 * canvas.y - 0.8, 0, 1) * (1 - lungs)
    bones *= 1 - 0.8 * below_diaphragm  # too little gets through the belly to show them
    return anatomy.bone * (bones + 1.1 * _spine(canvas, anatomy, pose))


def _spine(canvas: Canvas, anatomy: Anatomy, pose: Pose) -> Map:
    """Vertebral bodies with their denser end plates, the pedicles and the spinous processes."""
    y = np.arange(-1.08, 1.2, 0.93 * anatomy.rib_spacing)
    half, high, middle = 0.068 + 0.0016 * np.arange(len(y)), 0.40 * anatomy.rib_spacing, -1.5 * pose.turn
    across = np.stack([np.stack([middle + side * half, y], axis=-1) for side in (-1, 1)], axis=1)
    plates = np.concatenate([_ribbon(across + np.array([0, edge]), 0.012) for edge in (-high, high)])
    bodies = canvas.filled([*_ribbon(across, 2 * high), *plates], [0.6] * len(y) + [0.9] * len(plates))
    pedicles = [_circle(middle + side * 0.62 * half, y - 0.3 * high, 0.012, 0.02) for side in (-1, 1)]
    spinous = _circle(np.full_like(y, -2.3 * pose.turn), y + 0.8 * high, 0.010, 0.03)
    return bodies + 0.4 * canvas.filled(np.concatenate([*pedicles, spinous]))


def _airways(canvas: Canvas, anatomy: Anatomy, pose: Pose) -> Map:
    """The attenuation that air in the windpipe, its two main branches and the stomach takes away."""
    carina = (0.5 * pose.turn, -0.30)
    trachea = _ribbon(np.array([(0.0, -1.4), (0.3 * pose.turn, -0.8), carina]), 0.075)
    right = _ribbon(np.array([carina, (-0.07, -0.20), (-0.15, -0.10)]), 0.052)
    left = _ribbon(np.array([carina, (0.09, -0.22), (0.20, -0.14)]), 0.045)
    taken = 0.13 * canvas.blurred(canvas.filled([left, right, trachea], [0.6, 0.7, 1.0]), 0.012)
    if anatomy.gastric_bubble:
        top = 0.46 + anatomy.domes[1]
        flat = np.minimum(_circle(0.36, top + 0.07, 0.16, 0.07), (9, top + 0.11))  # a level of fluid under the air
        taken += anatomy.gastric_bubble * canvas.blurred(canvas.filled([_breathed(flat, pose)]), 0.012)
    return taken


def _vessels(canvas: Canvas, anatomy: Anatomy) -> Map:
    """Arteries and veins: they branch from the hila, four times over, and thin out towards the periphery."""
    rng = np.random.default_rng(anatomy.seed)
    side, course = np.repeat([-1, 1], 9), np.tile([-1.45, -1.1, -0.75, -0.3, 0.1, 0.4, 0.75, 1.05, 1.35], 2)
    start = np.stack([0.14 * side, -0.05 - 0.03 * side + 0.05 * course], axis=-1)
    angle = np.where(side == 1, course, np.pi - course) + rng.normal(0, 0.08, 18)
    width = rng.uniform(0.012, 0.022, 18)
    ends, widths = [], []
    for steps in (10, 8, 6, 4):
        number = len(width)
        angles = angle[:, None] + np.cumsum(rng.normal(0, 0.13, (number, steps)), axis=1)
        ahead = 0.045 * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        courses = np.cumsum(np.concatenate([start[:, None], ahead], axis=1), axis=1)
        taper = width[:, None] * np.linspace(1, 0.3, steps)
        ends.append(np.stack([courses[:, :-1], courses[:, 1:]], axis=2).reshape(-1, 2, 2))
        widths.append(taper.ravel())
        forks = (rng.random((number, steps)) < 0.4) & (taper > 0.0065)
        start, width = courses[:, 1:][forks], 0.72 * taper[forks]
        angle = angles[forks] + rng.choice([-1, 1], len(width)) * rng.uniform(0.35, 0.75, len(width))
    width = np.concatenate(widths)
    drawn = canvas.segments(np.concatenate(ends), width, np.clip(0.12 + width / 0.022, 0, 1))
    return gaussian_filter(drawn, canvas.size / 512, truncate=2.5)


def _curve(landmarks: Places, closed: bool = True, steps: int = 6) -> Places:
    """A smooth line through the landmarks (N, ..., 2), the first axis along it."""
    if closed:
        landmarks = np.concatenate([landmarks, landmarks[:1]])
    along = np.arange(len(landmarks))
    spline = CubicSpline(along, landmarks, bc_type="periodic" if closed else "natural")
    return spline(np.linspace(0, along[-1], steps * along[-1] + 1))


def _ribbon(course: Places, width: float) -> Places:
    """The outlines (..., 2 N, 2) of bands along courses (..., N, 2)."""
    ahead = np.gradient(course, axis=-2)
    aside = ahead[..., ::-1] * (-1, 1) / np.linalg.norm(ahead, axis=-1, keepdims=True) * width / 2
    return np.concatenate([course + aside, (course - aside)[..., ::-1, :]], axis=-2)


def _circle(x: float | np.ndarray, y: float | np.ndarray, radius_x: float, radius_y: float) -> Places:
    """The outlines (..., 32, 2) of ellipses around x and y, (...)."""
    angle = np.linspace(0, 2 * np.pi, 32)
    across = np.expand_dims(x, -1) + radius_x * np.cos(angle)
    down = np.expand_dims(y, -1) + radius_y * np.sin(angle)
    return np.stack([across, down], axis=-1)
