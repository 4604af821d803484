"""What is predicted for the films of a part, and how good that is, as tables."""

import numpy as np
import pandas as pd

from pneumonia.evaluation.bootstrap import intervals, multiclass_intervals, subtype_intervals
from pneumonia.evaluation.metrics import subtypes_told_apart
from pneumonia.evaluation.parts import Part, intervals_of
from pneumonia.inference.probabilities import predict_classes


def prediction_table(part: Part, name: str, names: list[str], threshold: float) -> pd.DataFrame:
    """The films with the calibrated `probability` of pneumonia and the class that is `predicted`; with more than two
    classes, also with the probability of each.
    """
    told = ["image", "file", "patient", "label", "class"] + ["site"] * ("site" in part.films)
    films = part.films[told].assign(part=name, probability=part.probability)
    if len(names) > 2:
        films = films.assign(**{f"probability_{each}": part.probabilities[:, n] for n, each in enumerate(names)})
    return films.assign(predicted=np.array(names)[predict_classes(part.probabilities, threshold, part.healthy)])


def metric_intervals(part: Part, name: str, names: list[str], threshold: float, draws: int) -> pd.DataFrame:
    """The metrics of the films, of classes `names`, with their intervals (see `parts.intervals_of`)."""
    predicted = predict_classes(part.probabilities, threshold, part.healthy)

    def table_by(groups: np.ndarray) -> pd.DataFrame:
        table = intervals(part.sick, part.probability, predicted >= part.healthy, groups, draws)
        if part.probabilities.shape[1] == 2:
            return table
        over_classes = multiclass_intervals(part.truth, part.probabilities, predicted, groups, draws)
        tables = [table, over_classes.add_prefix("classes/", axis=0)]
        if pair := subtypes_told_apart(names):
            tables.append(
                subtype_intervals(part.truth, part.probabilities, groups, draws).add_prefix(f"{pair}/", axis=0)
            )
        return pd.concat(tables)

    return intervals_of(part, name, table_by)
