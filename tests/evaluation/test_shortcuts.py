import numpy as np
import pytest

from pneumonia.evaluation.shortcuts import ALTERATIONS, findings, plot_alterations, shortcut_report

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


def report(predict):
    return shortcut_report(predict, films(), SICK, PATIENTS, draws=300).set_index("films")


def test_a_model_that_looks_into_the_lungs_is_at_chance_without_them():
    table = report(looks_at(slice(20, 40), slice(20, 40)))
    assert table.loc["as it is", "roc_auc"] > 0.95
    assert table.loc["as it is", "probability_change"] == 0
    assert table.loc["lungs blacked out", "roc_auc"] == 0.5
    assert table.loc["lungs greyed out", "roc_auc"] == 0.5
    assert table.loc["only the border", "roc_auc"] == 0.5
    # What leaves the lungs leaves the score.
    assert (table.loc[["compressed again", "blurred", "cropped", "darker"], "roc_auc"] > 0.9).all()
    assert findings(table.reset_index()) == []


def test_a_model_that_looks_at_the_border_is_flagged():
    table = report(looks_at(slice(0, 3), slice(None)))
    told = findings(table.reset_index())
    assert len(told) == 3
    assert told[0].startswith("Shortcut: with lungs blacked out the model has an AUC of 0.9")
    assert told[2].startswith("Shortcut: with only the border the model has an AUC of 0.9")


def test_a_score_that_a_few_films_leave_by_chance_is_not_flagged():
    few = shortcut_report(looks_at(slice(0, 3), slice(None)), films()[:10], SICK[:10], PATIENTS[:10], draws=300)
    noise = shortcut_report(looks_at(slice(60, 64), slice(None)), films(), SICK, PATIENTS, draws=300)
    assert findings(noise) == []
    assert len(few) == len(ALTERATIONS)


def test_each_alteration_does_to_a_film_what_it_says():
    film = films()[1]
    altered = {name: alter(film) for name, alter in ALTERATIONS.items()}
    assert {pixels.shape for pixels in altered.values()} == {(64, 64)}
    assert {pixels.dtype for pixels in altered.values()} == {np.dtype("uint8")}
    assert altered["lungs blacked out"][10:58, 6:58].max() == 0
    assert np.array_equal(altered["lungs blacked out"][:9], film[:9])
    assert set(altered["lungs greyed out"][10:58, 6:58].ravel()) == {128}
    assert altered["only the border"][6:58, 6:58].max() == 0
    assert np.array_equal(altered["only the border"][:, :6], film[:, :6])
    assert altered["blurred"].std() < film.std()
    assert altered["darker"].mean() < film.mean() - 5
    assert altered["compressed again"].astype(int) == pytest.approx(film, abs=60)
    assert not np.array_equal(altered["compressed again"], film)


def test_one_film_is_drawn_in_all_alterations():
    table = report(looks_at(slice(20, 40), slice(20, 40))).reset_index()
    figure = plot_alterations(films()[1], table)
    assert [axes.get_title().splitlines()[0] for axes in figure.axes] == list(ALTERATIONS)
