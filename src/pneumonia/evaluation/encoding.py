"""How well pneumonia follows from how a film was encoded, without looking at it.

Where it does, a model may have learnt the encoding and not the disease: most normal films among Kermany's published
training films have a JPEG quality over 90, few others do, and none of the test films.
"""

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

from pneumonia.annotations.labels import WITHOUT_PNEUMONIA

PROPERTIES = ("quality", "is_colour", "width", "height", "aspect", "bytes_a_pixel")
FOLDS = 5
COLOUR_MODES = ("RGB", "RGBA", "P", "CMYK", "YCbCr", "YBR_FULL", "YBR_FULL_422")
"""Those of Pillow, and the photometric interpretations of DICOM that have colour."""


def encoding_report(films: pd.DataFrame) -> pd.DataFrame:
    """The AUC for pneumonia of each property of the encoding, and of a classifier on all of them.

    A row a property, a column a part. `films` are rows of `data/clean/index.csv` with their `class` and `part`. The
    training films decide whether high or low values count as pneumonia; where a part has it the other way round, its
    AUC is under 0.5. The classifier is fitted on the training films, and cross-validated on them by patient. A property
    that tells nothing has 0.5.
    """
    properties = encoding_properties(films)
    sick = ~films["class"].isin(WITHOUT_PNEUMONIA).to_numpy()
    parts = {part: (films["part"] == part).to_numpy() for part in ("train", "val", "test")}
    train = parts["train"]
    rows = {}
    for name, column in properties.items():
        values = column.to_numpy()
        direction = 1 if roc_auc_score(sick[train], values[train]) >= 0.5 else -1
        rows[str(name)] = {part: _auc(sick[is_in], direction * values[is_in]) for part, is_in in parts.items()}
    rows["all of them"] = _of_a_classifier(properties, sick, films["patient"].to_numpy(str), parts)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("property").reset_index()


def encoding_properties(films: pd.DataFrame) -> pd.DataFrame:
    """What is known of a film from its file's header and length, float; -1 where its format has no such thing."""
    pixels = films["width"] * films["height"]
    return pd.DataFrame(
        {
            "quality": pd.to_numeric(films["quality"], errors="coerce").fillna(-1),
            "is_colour": films["mode"].isin(COLOUR_MODES).astype(float),
            "width": films["width"].astype(float),
            "height": films["height"].astype(float),
            "aspect": films["width"] / films["height"],
            "bytes_a_pixel": films["bytes"] / pixels,
        },
        columns=list(PROPERTIES),
    )


def _of_a_classifier(
    properties: pd.DataFrame, sick: np.ndarray, patients: np.ndarray, parts: dict[str, np.ndarray]
) -> dict[str, float]:
    classifier = HistGradientBoostingClassifier(max_depth=3, max_iter=50, min_samples_leaf=5, random_state=0)
    values, train = properties.to_numpy(float), parts["train"]
    fewest = min(len(set(patients[train & (sick == kind)])) for kind in (False, True))
    if fewest < 2:
        return dict.fromkeys(parts, float("nan"))
    folds = StratifiedGroupKFold(min(FOLDS, fewest))
    held_out = cross_val_predict(
        classifier, values[train], sick[train], groups=patients[train], cv=folds, method="predict_proba"
    )
    classifier.fit(values[train], sick[train])
    scores = {part: classifier.predict_proba(values[is_in])[:, 1] for part, is_in in parts.items()}
    scores["train"] = held_out[:, 1]
    return {part: _auc(sick[is_in], scores[part]) for part, is_in in parts.items()}


def _auc(sick: np.ndarray, score: np.ndarray) -> float:
    return float(roc_auc_score(sick, score)) if len(set(sick)) == 2 else float("nan")
