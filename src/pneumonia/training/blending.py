"""Blends of two training films: mixup (Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018) and cutmix
(Yun et al., CutMix, ICCV 2019).
"""

from typing import NamedTuple

import numpy as np

from pneumonia.params.stages import Train


class Blend(NamedTuple):
    """How two films make one: the `share` of the first that stays, float32 (B,); whether the rest is `cut` out, bool
    (B,), or mixed; and the `box` that is cut: top, bottom, left and right, int (B, 4), in pixels.
    """

    share: np.ndarray
    cut: np.ndarray
    box: np.ndarray


def draw_blend(rng: np.random.Generator, batch: int, size: int, settings: Train) -> Blend:
    """Random blends of `batch` films of `size` × `size` pixels, by `settings.mixup` and `settings.cutmix`.

    A cut's rectangle has its centre anywhere in the film and ends at the film's border; the share counts the pixels
    that stay.
    """
    chance_of_cut = 0.0 if not settings.cutmix else 0.5 if settings.mixup else 1.0
    cut = rng.random(batch) < chance_of_cut
    share = np.ones(batch)
    for chosen, alpha in ((~cut, settings.mixup), (cut, settings.cutmix)):
        if alpha > 0:
            share = np.where(chosen, rng.beta(alpha, alpha, batch), share)
    half = (size * np.sqrt(1 - share) / 2).astype(int)
    centre = rng.integers(0, size, (2, batch))
    edges = np.clip([centre[0] - half, centre[0] + half, centre[1] - half, centre[1] + half], 0, size)
    kept = 1 - (edges[1] - edges[0]) * (edges[3] - edges[2]) / size**2
    return Blend(np.where(cut, kept, share).astype("float32"), cut, edges.T)


def blend_images(images: np.ndarray, others: np.ndarray, blend: Blend) -> np.ndarray:
    """Each of `images`, uint8 (B, S, S), blended with its counterpart in `others`, rounded to uint8."""
    blended = images.copy()
    for number, (share, cut, (top, bottom, left, right)) in enumerate(zip(*blend, strict=True)):
        if cut:
            blended[number, top:bottom, left:right] = others[number, top:bottom, left:right]
        else:
            blended[number] = np.rint(share * images[number] + (1 - share) * others[number])
    return blended


def blend_targets(
    target: np.ndarray, weight: np.ndarray, other: np.ndarray, other_weight: np.ndarray, share: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Targets float32 (B, C) and weights float32 (B,) whose cross-entropy is the blend of the two films' own.

    Cross-entropy is linear in the target: share · w · CE(t) + (1 - share) · w' · CE(t') = W · CE(T). W blends the
    weights, and T the targets by their shares of W.
    """
    blended = share * weight + (1 - share) * other_weight
    of_first = (share * weight / blended)[:, None]
    return of_first * target + (1 - of_first) * other, blended
