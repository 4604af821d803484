import pandas as pd
import pytest

from pneumonia.errors import UserError
from pneumonia.evaluation.comparison import Predictions, compare


def predicted(*classes: str) -> Predictions:
    films = [(f"{number}.png", str(number), name, "test", 0.5, name) for number, name in enumerate(classes)]
    columns = ["file", "patient", "class", "part", "probability", "predicted"]
    return Predictions(pd.DataFrame(films, columns=columns))


def test_opacities_are_compared_with_pneumonias_of_the_same_films():
    classifier, localiser = predicted("normal", "pneumonia", "normal"), predicted("no_opacity", "opacity", "no_opacity")
    localiser.films["predicted"] = ["no_opacity", "opacity", "opacity"]
    table = compare(classifier, localiser, "test")
    assert table.loc["specificity", ["first", "second"]].tolist() == [1, 0.5]
    assert table.loc["sensitivity", ["first", "second"]].tolist() == [1, 1]


def test_a_film_that_is_ill_in_one_run_alone_is_named():
    with pytest.raises(UserError, match=r"1 of their 2 test films have another label in the second: 1\.png"):
        compare(predicted("normal", "pneumonia"), predicted("normal", "normal"), "test")


def test_tasks_with_other_test_films_are_told_what_gives_them_the_same():
    first, second = predicted("normal", "pneumonia"), predicted("normal", "viral", "bacterial")
    with pytest.raises(UserError, match="2 and 3, 2 are the same; each task splits by its own classes, unless"):
        compare(first, second, "test")
