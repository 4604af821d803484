"""What is measured of packed films: exposure and sharpness, by which one place's films differ from another's."""

import numpy as np
import pandas as pd


def film_measures(images: np.ndarray) -> pd.DataFrame:
    """A row for each of the packed films, uint8 (N, S, S).

    Columns: `grey`, the mean, `contrast`, the standard deviation, both in grey levels, and `detail`, the mean absolute
    difference of neighbouring pixels as a share of the contrast.
    """
    rows = []
    for image in images:
        film = image.astype(np.float32)
        contrast = float(film.std())
        steps = (np.abs(np.diff(film, axis=0)).mean() + np.abs(np.diff(film, axis=1)).mean()) / 2
        rows.append((float(film.mean()), contrast, float(steps) / max(contrast, 1.0)))
    return pd.DataFrame(rows, columns=["grey", "contrast", "detail"])
