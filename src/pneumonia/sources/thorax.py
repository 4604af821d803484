"""A chest radiograph drawn from anatomy: what the beam meets adds up, and the film shows its logarithm.

Beer and Lambert: a film's grey value after the logarithm is linear in the attenuation along each ray, so organs are
maps of attenuation that are summed. Places are `x` (−1 … 1, to the patient's left, which is the film's right) and `y`
(−1 … 1, downwards); soft tissue of full thickness attenuates 1.
"""

from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

Map = np.ndarray
"""A float32 map (S, S)."""


@dataclass(frozen=True)
class Anatomy:
    """What stays the same between the films of a patient."""

    width: float  # of the thorax
    lung_height: float
    heart_size: float
    heart_tilt: float  # radians
    aorta: float
    rib_spacing: float
    rib_slope: float
    rib_contrast: float
    vessel_contrast: float
    breasts: float  # attenuation of their shadows, 0 for none
    gastric_bubble: float
    soft_tissue: float  # thickness over the chest wall
    vessel_seed: int


@dataclass(frozen=True)
class Opacity:
    """One consolidation (bacterial), or the interstitial pattern of one lung (viral)."""

    kind: str
    side: int  # −1 or 1, as x
    x: float
    y: float
    radius: float
    aspect: float
    density: float
    seed: int


@dataclass(frozen=True)
class Exposure:
    """What differs from film to film."""

    rotation: float  # radians
    scale: float
    shift_x: float
    shift_y: float
    turn: float  # of the patient about the long axis: moves the mediastinum sideways
    inspiration: float  # 0 (expired) to 1
    level: float
    contrast: float
    gamma: float
    blur: float  # pixels at 256
    noise: float  # share of the grey range
    collimation: tuple[float, float, float, float]  # black borders: left, right, top, bottom, share of the film
    marker: bool
    noise_seed: int


@dataclass(frozen=True)
class Film:
    """A film and where its opacities lie: uint8 (S, S) and boxes (x, y, width, height) in pixels."""

    pixels: np.ndarray
    boxes: list[tuple[int, int, int, int]] = field(default_factory=list)


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """A random patient."""
    return Anatomy(
        width=rng.uniform(0.9, 1.06),
        lung_height=rng.uniform(0.92, 1.06),
        heart_size=rng.uniform(0.86, 1.14),
        heart_tilt=rng.uniform(-0.15, 0.25),
        aorta=rng.uniform(0.6, 1.3),
        rib_spacing=rng.uniform(0.135, 0.165),
        rib_slope=rng.uniform(0.8, 1.25),
        rib_contrast=rng.uniform(0.07, 0.15),
        vessel_contrast=rng.uniform(0.10, 0.24),
        breasts=rng.uniform(0.06, 0.16) if rng.random() < 0.35 else 0.0,
        gastric_bubble=rng.uniform(0.1, 0.4) if rng.random() < 0.5 else 0.0,
        soft_tissue=rng.uniform(0.0, 0.12),
        vessel_seed=int(rng.integers(2**31)),
    )


def draw_exposure(rng: np.random.Generator) -> Exposure:
    """A random pose, technique and detector."""
    return Exposure(
        rotation=rng.normal(0, 0.035),
        scale=rng.uniform(0.93, 1.09),
        shift_x=rng.normal(0, 0.025),
        shift_y=rng.normal(0, 0.03),
        turn=rng.normal(0, 0.025),
        inspiration=rng.beta(3, 1.5),
        level=rng.normal(0, 0.10),
        contrast=rng.uniform(0.85, 1.15),
        gamma=rng.uniform(0.8, 1.3),
        blur=rng.uniform(0.4, 1.1),
        noise=rng.uniform(0.006, 0.022),
        collimation=tuple(rng.uniform(0, 0.05, 4) * (rng.random(4) < 0.3)),
        marker=bool(rng.random() < 0.7),
        noise_seed=int(rng.integers(2**31)),
    )


def draw_opacities(rng: np.random.Generator, label: str) -> list[Opacity]:
    """The opacities of a film: none (normal), one or two consolidations (bacterial), both lungs (viral)."""
    severity = rng.beta(1.6, 1.6)
    seeds = [int(seed) for seed in rng.integers(2**31, size=2)]
    if label == "bacterial":
        number = 1 if rng.random() < 0.72 else 2
        sides = rng.permutation([-1, 1])
        return [
            Opacity(
                kind="consolidation",
                side=int(sides[k]),
                x=float(sides[k]) * rng.uniform(0.26, 0.56),
                y=rng.uniform(-0.4, 0.42),
                radius=rng.uniform(0.18, 0.32) * (0.8 + 0.5 * severity),
                aspect=rng.uniform(0.7, 1.5),
                density=(0.26 + 0.42 * severity) * rng.uniform(0.8, 1.2),
                seed=seeds[k],
            )
            for k in range(number)
        ]
    if label == "viral":
        return [
            Opacity(
                "interstitial", side, side * 0.3, 0.05, 0.5, 1.3, (0.22 + 0.34 * severity) * rng.uniform(0.8, 1.2), seed
            )
            for side, seed in zip((-1, 1), seeds, strict=True)
        ]
    return []


def render(anatomy: Anatomy, exposure: Exposure, opacities: list[Opacity], size: int) -> Film:
    """The film, uint8 (size, size), and a box around each opacity."""
    x, y = _places(exposure, size)
    lungs = _lungs(x, y, anatomy, exposure)
    vessels = _vessels(x, y, anatomy, size)
    attenuation = _chest(x, y, anatomy, exposure, lungs) + anatomy.vessel_contrast * vessels * lungs
    boxes = []
    for opacity in opacities:
        added = _opacity(x, y, opacity, lungs, vessels)
        attenuation += added
        boxes.append(_box(added))
    return Film(_expose(attenuation, exposure), boxes)


def _places(exposure: Exposure, size: int) -> tuple[Map, Map]:
    """Where in the patient each pixel's ray passes: pose undone."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    across, down = axis[None, :] - exposure.shift_x, axis[:, None] - exposure.shift_y
    cos, sin = np.cos(exposure.rotation) / exposure.scale, np.sin(exposure.rotation) / exposure.scale
    return across * cos + down * sin, down * cos - across * sin


def _edge(distance: Map, softness: float) -> Map:
    """0 outside to 1 inside a border; `distance` is positive inside."""
    return 1 / (1 + np.exp(np.clip(-distance / softness, -30, 30)))


def _lungs(x: Map, y: Map, a: Anatomy, e: Exposure) -> Map:
    """How much air a ray meets: 0 outside the lungs to 1."""
    air = np.zeros_like(x)
    for side in (-1, 1):
        out = side * x / a.width - side * e.turn  # outwards from the midline
        middle, top, bottom = 0.43, -0.80 * a.lung_height, 0.62
        reach = np.abs((y - (top + bottom) / 2 - 0.12) / ((bottom - top) / 2 + 0.14))
        lateral = 0.36 * (1 - np.clip(reach, 0, 1) ** 2.6) ** 0.55 + middle - out
        heart_notch = 0.06 if side == 1 else 0.02
        medial = out - (0.13 + heart_notch * np.exp(-((y - 0.25) ** 2) / 0.06) + 0.10 * _edge(-0.55 - y, 0.06))
        dome = 0.34 + 0.16 * e.inspiration + (0.05 if side == 1 else 0.0) + 1.25 * (out - 0.40) ** 2
        inside = np.minimum(np.minimum(lateral, medial), (dome - y) * 0.9)
        inside = np.minimum(inside, (y - top - 0.9 * (out - 0.34) ** 2) * 0.8)
        air += _edge(inside, 0.011) * (0.45 + 0.55 * (1 - np.exp(-np.clip(inside, 0, None) / 0.10)))
    return air * (1 - 0.62 * _heart(x - 2 * e.turn, y, a))


def _chest(x: Map, y: Map, a: Anatomy, e: Exposure, lungs: Map) -> Map:
    """Attenuation of everything but vessels and opacities."""
    out = np.abs(x) / a.width
    middle = x - 2 * e.turn  # the mediastinum turns with the patient
    shoulder = -0.99 + 0.42 * np.clip(out - 0.22, 0, None) ** 1.6 - 0.6 * _edge(0.24 - out, 0.03)
    half_width = 0.97 + 0.10 * np.exp(-((y + 0.45) ** 2) / 0.12)
    body = _edge(np.minimum(half_width - out, (y - shoulder)), 0.016)
    thickness = np.sqrt(np.clip(1 - (out / 1.15) ** 2, 0.05, 1))
    total = body * (0.62 + 0.30 * thickness + a.soft_tissue) - 0.56 * lungs * body

    width = 0.115 + 0.035 * _edge(y + 0.1, 0.15)
    mediastinum = _edge(width - np.abs(middle - 0.01), 0.02)
    knob = a.aorta * _ellipsoid(middle - 0.085, y + 0.30, 0.085, 0.11, 0.0)
    # The heart lies within the mediastinum and does not add to it: the thickest of them counts.
    total += np.maximum.reduce([0.34 * _heart(middle, y, a), 0.20 * mediastinum, 0.20 * knob])
    total -= 0.10 * _edge(0.032 - np.abs(middle), 0.008) * _edge(-0.22 - y, 0.05)  # the trachea
    spine = _edge(0.085 - np.abs(middle), 0.012)
    total += spine * (0.09 + 0.04 * np.cos(2 * np.pi * y / (0.88 * a.rib_spacing)))
    for side in (-1, 1):
        hilum = (side * middle - 0.17) ** 2 / 0.006 + (y - (0.0 if side == -1 else -0.04)) ** 2 / 0.014
        total += 0.13 * np.exp(-hilum)
        if a.breasts:
            total += a.breasts * _ellipsoid(side * x - 0.46, y - 0.34, 0.30, 0.26, 0.2) * lungs
    bubble = _ellipsoid(middle - 0.38, y - 0.70, 0.17, 0.09, 0.1)
    total -= a.gastric_bubble * bubble
    return total + body * _bones(x, y, out, a)


def _heart(middle: Map, y: Map, a: Anatomy) -> Map:
    left = _ellipsoid(middle - 0.15, y - 0.27, 0.33 * a.heart_size, 0.24 * a.heart_size, 0.55 + a.heart_tilt)
    right = _ellipsoid(middle + 0.03, y - 0.25, 0.19 * a.heart_size, 0.26 * a.heart_size, 0.0)
    return np.maximum(left, right)


def _ellipsoid(x: Map, y: Map, radius_x: float, radius_y: float, tilt: float) -> Map:
    """What a ray meets of an ellipsoid: 1 through its middle."""
    cos, sin = np.cos(tilt), np.sin(tilt)
    r2 = ((x * cos + y * sin) / radius_x) ** 2 + ((y * cos - x * sin) / radius_y) ** 2
    return np.sqrt(np.clip(1 - r2, 0, 1))


def _tube(distance: Map, radius: float) -> Map:
    """A bone across the beam: denser at its cortex than in its middle."""
    r = np.abs(distance) / radius
    return np.exp(-(r**6)) * (0.55 + 0.45 * r**2)


def _bones(x: Map, y: Map, out: Map, a: Anatomy) -> Map:
    """Ribs behind and in front, and the collar bones."""

    def ribs(course: Map, radius: float, first: float, number: int) -> Map:
        place = (y - course - first) / a.rib_spacing
        nearest = np.clip(np.round(place), 0, number)
        return _tube((place - nearest) * a.rib_spacing, radius)

    wall = _edge(0.86 - out, 0.02)
    posterior = ribs(a.rib_slope * (0.62 * out**2.2 - 0.10 * out) - 0.05, 0.030, -0.80, 9)
    anterior = ribs(a.rib_slope * 0.62 * (0.82 - out) - 0.10, 0.034, -0.62, 5)
    bones = a.rib_contrast * wall * (posterior * _edge(out - 0.10, 0.02) + 0.45 * anterior * _edge(out - 0.36, 0.05))
    clavicle = y - (-0.60 - 0.20 * out + 0.10 * np.sin(4.5 * out))
    bones += 1.3 * a.rib_contrast * _tube(clavicle, 0.036) * _edge(out - 0.09, 0.015) * _edge(0.86 - out, 0.03)
    scapula = out - (0.80 - 0.22 * (y + 0.35) ** 2)
    return bones + 0.35 * a.rib_contrast * _edge(scapula, 0.012) * _edge(0.15 - y, 0.05)


def _vessels(x: Map, y: Map, a: Anatomy, size: int) -> Map:
    """Branches from the hila that thin out towards the periphery, 0 to about 1."""
    rng = np.random.default_rng(a.vessel_seed)
    canvas = Image.new("L", (512, 512))
    pen = ImageDraw.Draw(canvas)

    def grow(px: float, py: float, angle: float, width: float, steps: int) -> None:
        for _ in range(steps):
            angle += rng.normal(0, 0.22)
            qx, qy = px + 0.055 * np.cos(angle), py + 0.055 * np.sin(angle)
            ends = [256 * (1 + v) for v in (px, py, qx, qy)]
            pen.line(ends, fill=int(min(255, 55 + 60 * width)), width=max(1, round(width)))
            px, py, width = qx, qy, width * 0.86
            if width > 0.9 and rng.random() < 0.45:
                grow(px, py, angle + rng.choice([-1, 1]) * rng.uniform(0.4, 0.8), width * 0.8, steps - 2)
            if width < 0.6:
                return

    for side in (-1, 1):
        for course in np.linspace(-1.35, 1.35, 8):
            angle = course if side == 1 else np.pi - course
            grow(side * 0.15, 0.0, angle + rng.normal(0, 0.1), rng.uniform(2.6, 4.2), 10)
    drawn = gaussian_filter(np.asarray(canvas, dtype=np.float32) / 255, 1.2)
    rows, columns = ((np.clip(v, -1, 1) + 1) * 255.5 for v in (y, x))
    return drawn[rows.astype(np.int32), columns.astype(np.int32)]


def _opacity(x: Map, y: Map, o: Opacity, lungs: Map, vessels: Map) -> Map:
    """The attenuation that an opacity adds."""
    size = len(x)
    if o.kind == "consolidation":
        r = np.hypot((x - o.x) * o.aspect, y - o.y) / o.radius
        patchy = _clouds(o.seed, size, cells=9)
        mask = _edge(1 - r + 0.55 * patchy, 0.10)
        bronchogram = 1 - 0.45 * np.clip(vessels * 1.5, 0, 1)
        return (o.density * mask * bronchogram * (1 + 0.25 * _clouds(o.seed + 1, size, cells=24)) * lungs).astype(
            np.float32
        )
    net = np.exp(-((_clouds(o.seed, size, cells=44) / 0.35) ** 2)) + 0.5 * np.exp(
        -((_clouds(o.seed + 1, size, cells=26) / 0.3) ** 2)
    )
    perihilar = np.exp(-(((x - o.x) / 0.34) ** 2 + ((y - o.y) / 0.5) ** 2))
    patchy = np.clip(0.75 + 0.6 * _clouds(o.seed + 2, size, cells=5), 0.1, 1.5)
    lung = _edge(o.side * x, 0.01) * lungs
    return (o.density * perihilar * patchy * (0.75 * net + 0.35 + 0.9 * vessels) * lung).astype(np.float32)


def _clouds(seed: int, size: int, cells: int) -> Map:
    """Smooth noise of zero mean and unit deviation with about `cells` clouds a side."""
    coarse = np.random.default_rng(seed).standard_normal((cells + 3, cells + 3)).astype(np.float32)
    window = (1, 1, cells + 1, cells + 1)
    fine = np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC, box=window))
    return (fine - fine.mean()) / fine.std()


def _box(added: Map) -> tuple[int, int, int, int]:
    """The box around where an opacity adds a tenth or more of its most."""
    rows, columns = np.nonzero(added > 0.1 * added.max())
    x, y = int(columns.min()), int(rows.min())
    return x, y, int(columns.max()) - x + 1, int(rows.max()) - y + 1


def _expose(attenuation: Map, e: Exposure) -> np.ndarray:
    """Grey values: exposure, detector blur, quantum noise (more where fewer photons arrive), borders and marker."""
    size = len(attenuation)
    rng = np.random.default_rng(e.noise_seed)
    linear = e.level + 1.5 * e.contrast * (attenuation - 0.66)
    grey = (0.5 + 0.5 * np.tanh(linear)) ** e.gamma  # the film's characteristic curve
    grey = gaussian_filter(grey, e.blur * size / 256)
    noise = gaussian_filter(rng.standard_normal(grey.shape, dtype=np.float32), 0.5) * 1.8
    texture = _clouds(e.noise_seed, size, cells=size // 6) * 0.3
    grey = grey + e.noise * (noise + texture) * (0.5 + grey)
    left, right, top, bottom = (round(share * size) for share in e.collimation)
    grey[:, :left] = grey[:, size - right :] = grey[:top] = grey[size - bottom :] = 0.02
    pixels = Image.fromarray((np.clip(grey, 0, 1) * 255).astype(np.uint8))
    if e.marker:
        ImageDraw.Draw(pixels).text((0.9 * size, 0.06 * size), "L", fill=235, font_size=size // 18)
    return np.asarray(pixels)
