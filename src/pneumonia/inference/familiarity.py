"""Is a film unlike the training films? Then the network's prediction, however sure it looks, means little.

Three cheap checks look at its colours, its exposure and its shape. For its shape, a film is reduced to 16 x 16 pixels
of mean 0 and standard deviation 1. It is compared with the principal components of the training films, as in process
monitoring (Jackson, Mudholkar 1979, Control procedures for residuals associated with principal component analysis).
Hotelling's T² measures how far out it lies along the components, the Q statistic how much of it they do not explain.

Fitted to 1,500 of Kermany's training films, it remarks on 0.6 % of 326 test films and on 22 % of 150 films of adults
(RSNA). It remarks on all test films that are turned by 90 degrees, inverted, cut to their left half, or a quarter or
2.2 times as bright, and on 58 % of them upside down; also on all crops of photographs, noise and pages of text. There
were no lateral films to try it on.
"""

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image

from pneumonia.errors import UserError
from pneumonia.outputs import whole_file
from pneumonia.radiographs.radiograph import Radiograph

SIDE = 16
COMPONENTS = 40
SHAPE_QUANTILE = 0.995
"""The limit of T² and Q is this quantile of the training films', each measured on components fitted without it."""
EXPOSURE_QUANTILES = (0.001, 0.999)
EXPOSURE_MARGIN = 0.1
"""Each bound lies outside its quantile by this share of the span between the two."""
BLACK, WHITE = 10, 245
MAX_SATURATION = 0.05
"""No film is more colourful: 13 of 255 levels between red and blue are a faint tint. Photographs have 0.1 and more."""

EXPOSURE_WORDS = (("darker", "brighter"), ("less black", "more black"), ("less white", "more white"))
"""Words for a value below and a value above its bounds, for each column of `_exposure`."""


@dataclass(frozen=True, eq=False)
class Familiarity:
    """What the training films look like: float32 arrays."""

    exposure: np.ndarray
    """(2, 3): the lower and the upper bound of each column of `_exposure`."""
    mean: np.ndarray
    """(256,): the mean of the films' shapes."""
    components: np.ndarray
    """(K, 256): the principal components of the shapes."""
    variances: np.ndarray
    """(K,): the variances of the shapes along the components."""
    limits: np.ndarray
    """(2,): the limits of T² and Q."""

    def remark(self, film: Radiograph) -> str:
        """Why the film is unlike the training films, in a few words; empty if it is like them."""
        return "a colour picture" if film.saturation > MAX_SATURATION else self.remark_on(film.pixels)

    def remark_on(self, pixels: np.ndarray) -> str:
        """The `remark` on a grey film, uint8 (H, W)."""
        small = _reduce(pixels)[None]
        remarks = []
        for value, low, high, (below, above) in zip(_exposure(small)[0], *self.exposure, EXPOSURE_WORDS, strict=True):
            if not low <= value <= high:
                remarks.append(f"exposure: {below if value < low else above} than 99.9 % of the training films")
        if (_distances(_shapes(small), self.mean, self.components, self.variances) > self.limits).any():
            remarks.append("unlike the training films: not an upright, frontal chest film?")
        return "; ".join(remarks)

    def save(self, path: Path) -> None:
        """Write the arrays, a few ten kilobytes."""
        with whole_file(path) as partial:
            np.savez(partial, **asdict(self))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            UserError: no such file, or one that `save` did not write.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); evaluate writes it") from error
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                read = cls(**arrays)
            count = len(read.variances)
            shapes = [array.shape for array in vars(read).values()]
            if shapes != [(2, 3), (SIDE**2,), (count, SIDE**2), (count,), (2,)]:
                raise ValueError(f"arrays of shapes {shapes}")
            if not all(np.isfinite(array).all() for array in vars(read).values()):
                raise ValueError("values that are not finite")
        except Exception as error:  # NumPy raises anything of a damaged file, from EOFError to zlib.error
            raise UserError(f"{path}: is not what evaluate writes there, but something else or damaged") from error
        return read


def fit(images: np.ndarray | Sequence[np.ndarray]) -> Familiarity:
    """Learn what films look like from the packed training films, N of uint8 (S, S), ten at the least.

    Raises:
        UserError: fewer films.
    """
    # Here, since it takes a second that the use of a model need not wait for.
    from sklearn.decomposition import PCA
    from sklearn.model_selection import KFold

    if len(images) < 10:
        raise UserError(f"{len(images)} training films; to tell what is unlike them takes 10 or more")
    small = np.stack([_reduce(image) for image in images])
    low, high = np.quantile(_exposure(small), EXPOSURE_QUANTILES, axis=0)
    margin = EXPOSURE_MARGIN * (high - low)

    shapes, count = _shapes(small), min(COMPONENTS, len(images) // 10)
    distances = np.empty((len(images), 2))
    for others, left_out in KFold(5, shuffle=True, random_state=0).split(shapes):
        pca = PCA(count, svd_solver="covariance_eigh").fit(shapes[others])
        distances[left_out] = _distances(shapes[left_out], pca.mean_, pca.components_, pca.explained_variance_)
    pca = PCA(count, svd_solver="covariance_eigh").fit(shapes)
    limits = np.quantile(distances, SHAPE_QUANTILE, axis=0)
    arrays = (np.stack([low - margin, high + margin]), pca.mean_, pca.components_, pca.explained_variance_, limits)
    return Familiarity(*(array.astype(np.float32) for array in arrays))


def _reduce(pixels: np.ndarray) -> np.ndarray:
    """Shrink a film, uint8 (H, W), to uint8 (16, 16): a whole factor first is four times as fast and does no harm."""
    small = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(small)


def _exposure(small: np.ndarray) -> np.ndarray:
    """The mean grey, the share that is black and the share that is white, (N, 3), of films, uint8 (N, 16, 16)."""
    return np.stack([values.mean(axis=(1, 2)) for values in (small, small < BLACK, small > WHITE)], axis=1)


def _shapes(small: np.ndarray) -> np.ndarray:
    """Films, uint8 (N, 16, 16), without their brightness and contrast: float32 (N, 256)."""
    values = small.reshape(len(small), -1).astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    return values / np.maximum(values.std(axis=1, keepdims=True), 1)  # less than a grey level is noise


def _distances(shapes: np.ndarray, mean: np.ndarray, components: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """T² and Q of each shape, (N, 2)."""
    centred = shapes - mean
    scores = centred @ components.T
    unexplained = centred - scores @ components
    return np.stack([(scores**2 / variances).sum(axis=1), (unexplained**2).sum(axis=1)], axis=1)
