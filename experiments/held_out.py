"""Which of Kermany's training films are held out to score a recipe: a tenth of the patients, a series of normal films,
or what is rare in a style.

A tenth drawn at random holds films of the machines that training has. A style stands for machines, for what a console
does to a film, and for how it was stored. In some of them nearly all films are sick, or nearly none, so a style gives
the label away; the rare films in it are those on which a network that goes by style is wrong.
"""

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler

from pneumonia.errors import UserError
from pneumonia.preparation.splitting import require_no_leak

FOLDS, STYLES, RINGS = 10, 10, 12
LOPSIDED = 3
"""A style tells the label where it has so many times more sick films than normal ones, or fewer."""
HELD_OUT = ("0", "1", "2", "NORMAL2-IM", "style-0", "style-1", "style-2")
"""Folds, a series of normal films, and the three lopsided styles with the most rare films."""


def parts(held_out: str, films: pd.DataFrame, images: np.ndarray) -> pd.Series:
    """`train`, `val` (what is held out), `choose` (the epoch) or `test` for each of `films`, rows of split.csv.

    Held out is a fold of the patients; or all normal films of a series, or the rare ones of a style, with all of their
    patients' films of that kind, normal or sick, and the other kind of the first fold. The next fold chooses the epoch,
    without what is held out. `images`, uint8 (N, S, S), are the packed films.

    Raises:
        UserError: there is no such style.
    """
    ours = films[films["part"] != "test"]
    folds = list(StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(ours, ours["label"], ours["patient"]))
    number = int(held_out) if held_out.isdigit() else 0
    part = films["part"].where(films["part"] == "test", "train")
    part[ours.index[folds[number][1]]] = "val"
    part[ours.index[folds[number + 1][1]]] = "choose"
    if not held_out.isdigit():
        if held_out.startswith("style-"):
            rare = rare_in_style(films, images, int(held_out.removeprefix("style-")))
        else:
            rare = (films["label"] == "normal") & films["patient"].str.startswith(held_out) & (part != "test")
        same_kind = (films["label"] == "normal") == (films.loc[rare, "label"] == "normal").all()
        unseen = same_kind & films["patient"].isin(films.loc[rare, "patient"]) & (part != "test")
        part[same_kind & (part == "val")] = "train"
        part[unseen] = "val"
    require_no_leak(films.assign(part=part))
    return part


def rare_in_style(films: pd.DataFrame, images: np.ndarray, rank: int) -> pd.Series:
    """The films that are rare in a lopsided style, bool (N,): the normal ones or the sick ones. None are test films.

    k-means finds the styles in the spectra of all but test films; of those that are lopsided the one with the most rare
    films has `rank` 0.

    Raises:
        UserError: there are not so many such styles.
    """
    ours = films[films["part"] != "test"]
    spectra = np.log([spectrum(images[number]) for number in ours["image"]])
    style = KMeans(STYLES, n_init=3, random_state=0).fit_predict(StandardScaler().fit_transform(spectra))
    normal = ours["label"] == "normal"
    found = []
    for each in range(STYLES):
        kinds = [(style == each) & kind for kind in (normal, ~normal)]
        rare, common = sorted(kinds, key=np.sum)
        if rare.any() and common.sum() > LOPSIDED * rare.sum():
            found.append(rare)
    if len(found) <= rank:
        raise UserError(f"held out is style-{rank}, but of {STYLES} styles {len(found)} are lopsided; it may be a fold")
    return sorted(found, key=np.sum)[-1 - rank].reindex(films.index, fill_value=False)


def spectrum(film: np.ndarray) -> np.ndarray:
    """Mean amplitude in each of `RINGS` rings of frequencies, of equal width in the logarithm; film uint8 (S, S)."""
    size = len(film)
    amplitude = abs(np.fft.rfft2(film))
    amplitude[0, 0] = 0  # the mean is no frequency
    radius = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)) * size
    ring = np.rint(np.log(np.clip(radius, 1, size / 2)) / np.log(size / 2) * (RINGS - 1)).astype(int).ravel()
    return np.bincount(ring, amplitude.ravel()) / np.bincount(ring)
