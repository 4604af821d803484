import numpy as np

from pneumonia.lungs import hide_lungs, rectangle


def batch(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Films of random greys, of class 1, that weigh 3."""
    films = np.random.default_rng(0).integers(0, 256, (count, 40, 40), dtype=np.uint8)
    return films, np.ones((count, 1), "float32"), np.full(count, 3, "float32")


def test_the_rectangle_by_hand():
    assert rectangle(100) == (slice(15, 90), slice(10, 90))
    assert rectangle(100, np.array([0.02, -0.05, 0.0, 0.01])) == (slice(17, 85), slice(10, 91))


def test_a_share_of_the_films_loses_its_lungs_and_its_class():
    films, target, weight = batch(400)
    before = films.copy()
    altered, targets, weights = hide_lungs(np.random.default_rng(1), films, target, weight, share=0.25)
    hidden = targets[:, 0] == 0.5
    assert 70 <= hidden.sum() <= 130
    assert np.array_equal(films, before) and (target == 1).all()
    assert np.array_equal(altered[~hidden], films[~hidden])
    assert (weights[hidden] == 1).all() and (weights[~hidden] == 3).all()
    # What lies within however the edges are moved is one grey, what lies outside is as it was.
    assert (np.ptp(altered[hidden][:, 8:34, 6:34].reshape(hidden.sum(), -1), axis=1) == 0).all()
    assert len(set(altered[hidden][:, 20, 20])) > 40
    assert np.array_equal(altered[hidden][:, :4], films[hidden][:, :4])


def test_of_three_classes_all_are_equally_likely():
    films, _, weight = batch(50)
    _, targets, _ = hide_lungs(np.random.default_rng(1), films, np.eye(3, dtype="float32")[[1] * 50], weight, 0.5)
    assert {tuple(row) for row in (3 * targets).round().astype(int).tolist()} == {(0, 3, 0), (1, 1, 1)}
