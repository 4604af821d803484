"""What pneumonia adds to a chest: consolidations, or thickened walls of both lungs."""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from PIL import Image

from pneumonia.sources.phantom.thorax import FULL_LUNG, Chest, Map

CENTRES = [(0.40, -0.46), (0.50, -0.08), (0.55, 0.20), (0.32, 0.16)]
"""The centres of consolidations: upper lobe, middle, base at the wall, base at the heart; x outwards."""

NOISE_GRID = 128


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
