import numpy as np

from pneumonia.evaluation.alterations import ALTERATIONS, STRESSES
from pneumonia.evaluation.shortcuts import findings, nothing_learned, plot_alterations, shortcut_report

SICK = np.arange(120) % 2
PATIENTS = np.arange(120).astype(str)


def films() -> np.ndarray:
    """Noise of 64 × 64 about a grey of 90, brighter in the middle of sick films, and in their topmost rows."""
    rng = np.random.default_rng(0)
    pixels = rng.normal(90, 12, (120, 64, 64))
    pixels[:, 20:40, 20:40] += (40 * SICK + rng.normal(0, 15, 120))[:, None, None]
    pixels[:, :3] += (40 * SICK + rng.normal(0, 15, 120))[:, None, None]
    return pixels.clip(0, 255).astype(np.uint8)


def looks_at(rows: slice, columns: slice):
    return lambda pixels: pixels[:, rows, columns].mean(axis=(1, 2)) / 255


def altered(predict, pixels: np.ndarray) -> dict[str, np.ndarray]:
    return {name: predict(np.stack([alter(film) for film in pixels])) for name, alter in ALTERATIONS.items()}


def report(predict):
    return shortcut_report(altered(predict, films()), SICK, PATIENTS, draws=300).set_index("films")


def test_a_model_that_looks_into_the_lungs_is_at_chance_without_them():
    table = report(looks_at(slice(20, 40), slice(20, 40)))
    assert table.loc["as it is", "roc_auc"] > 0.95
    assert table.loc["as it is", "probability_change"] == 0
    assert table.loc["lungs blacked out", "roc_auc"] == 0.5
    assert table.loc["lungs greyed out", "roc_auc"] == 0.5
    assert table.loc["only the border", "roc_auc"] == 0.5
    assert table.loc["lungs faded out", "low"] < 0.65
    # What leaves the lungs leaves the score.
    assert (table.loc[list(STRESSES), "roc_auc"] > 0.9).all()
    assert findings(table.reset_index()) == []


def test_a_model_that_looks_at_the_border_is_flagged():
    table = report(looks_at(slice(0, 3), slice(None)))
    told = findings(table.reset_index())
    assert len(told) == 4
    assert told[0].startswith("Shortcut: with lungs blacked out the model has an AUC of 0.9")
    assert told[3].startswith("Shortcut: with only the border the model has an AUC of 0.9")


def test_a_model_that_looks_where_nothing_is_may_have_learned_nothing():
    nothing, lungs = (report(looks_at(*place)).reset_index() for place in [
        (slice(60, 64), slice(None)), (slice(20, 40), slice(20, 40)),
    ])  # fmt: skip
    assert nothing_learned({"val": lungs, "test": lungs}) == []
    [told] = nothing_learned({"val": nothing, "test": lungs})
    assert told.startswith("Nothing was learned that the val films show: their AUC is 0.")


def test_one_film_is_drawn_in_all_alterations():
    table = report(looks_at(slice(20, 40), slice(20, 40))).reset_index()
    figure = plot_alterations(films()[1], table)
    assert [axes.get_title().splitlines()[0] for axes in figure.axes if axes.get_title()] == list(ALTERATIONS)
