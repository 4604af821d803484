import numpy as np
import pytest

from pneumonia.evaluation.alterations import ALTERATIONS

FILM = (np.mgrid[:64, :64].sum(axis=0) * 1.5 + np.random.default_rng(0).normal(30, 6, (64, 64))).clip(0, 255)
FILM = FILM.astype(np.uint8)


@pytest.fixture(scope="module")
def altered():
    return {name: alter(FILM) for name, alter in ALTERATIONS.items()}


def test_films_keep_their_size_and_greys(altered):
    assert {pixels.shape for pixels in altered.values()} == {(64, 64)}
    assert {pixels.dtype for pixels in altered.values()} == {np.dtype("uint8")}
    assert np.array_equal(altered["as it is"], FILM)
    assert all(not np.array_equal(pixels, FILM) for name, pixels in altered.items() if name != "as it is")


def test_lungs_are_a_rectangle_that_is_taken_out_or_left_alone(altered):
    lungs, outside = (slice(10, 58), slice(6, 58)), (slice(0, 9), slice(None))
    assert altered["lungs blacked out"][lungs].max() == 0
    assert set(altered["lungs greyed out"][lungs].ravel()) == {128}
    assert np.array_equal(altered["lungs blacked out"][outside], FILM[outside])
    assert np.array_equal(altered["only the lungs"][lungs], FILM[lungs])
    assert set(altered["only the lungs"][outside].ravel()) == {128}
    middle = altered["lungs faded out"][20:48, 16:48].astype(float)
    assert middle == pytest.approx(128, abs=3)
    assert np.abs(np.diff(altered["lungs faded out"].astype(float), axis=0)[:, 32]).max() < 60  # no edge
    assert altered["only the border"][6:58, 6:58].max() == 0
    assert np.array_equal(altered["only the border"][:, :6], FILM[:, :6])


def test_stresses_do_what_they_say(altered):
    film = FILM.astype(float)
    steps = {name: np.abs(np.diff(pixels.astype(float))).mean() for name, pixels in altered.items()}
    assert max(steps["blurred"], steps["compressed again"]) < steps["as it is"] < steps["noisy"]
    assert (altered["noisy"] - film).std() == pytest.approx(12, abs=1)
    assert altered["darker"].mean() < film.mean() - 5
    assert altered["brighter"].mean() > film.mean() + 5
    assert altered["flatter"].std() == pytest.approx(0.6 * film.std(), rel=0.01)
    # 8 % of 64 pixels are 5: what was at (5, 5) is in the corner, spread over 64 / 54 of a pixel.
    assert float(altered["cropped"][0, 0]) == pytest.approx(film[4:8, 4:8].mean(), abs=12)
    assert 2 < np.abs(altered["compressed again"] - film).mean() < 8
