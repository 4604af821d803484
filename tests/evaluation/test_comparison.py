import pandas as pd
import pytest

from pneumonia.errors import UserError
from pneumonia.evaluation.comparison import Predictions, compare


def predicted(*classes: str) -> Predictions:
    films = [(f"{number}.png", str(number), name, "test", 0.5, name) for number, name in enumerate(classes)]
    columns = ["file", "patient", "class", "part", "probability", "predicted"]
    return Predictions(pd.DataFrame(films, columns=columns))


def test_runs_whose_tasks_have_other_classes_are_not_compared():
    with pytest.raises(UserError, match="their films are the same, but their tasks have other classes"):
        compare(predicted("normal", "pneumonia"), predicted("no_opacity", "opacity"), "test")
