import numpy as np

from pneumonia.lungs import exchange_surroundings, rectangle


def test_the_rectangle_by_hand():
    assert rectangle(100) == (slice(15, 90), slice(10, 90))
    assert rectangle(100, np.array([0.02, -0.05, 0.0, 0.01])) == (slice(17, 85), slice(10, 91))


def test_a_share_of_the_films_lies_in_the_surroundings_of_others():
    films = np.random.default_rng(0).integers(0, 256, (400, 40, 40), dtype=np.uint8)
    before = films.copy()
    exchanged = exchange_surroundings(np.random.default_rng(1), films, share=0.25)
    assert np.array_equal(films, before)
    changed = (exchanged != films).any(axis=(1, 2))
    assert 70 <= changed.sum() <= 130
    # What lies within however the edges are moved is the film's own, what lies outside is of another one.
    assert np.array_equal(exchanged[:, 8:34, 6:34], films[:, 8:34, 6:34])
    corners = {film[:4].tobytes(): number for number, film in enumerate(films)}
    others = [corners[film[:4].tobytes()] for film in exchanged[changed]]
    assert (np.array(others) != np.flatnonzero(changed)).all()
    assert len(set(others)) == len(others)
    # The edges move: not all exchanged films have the same rows of their own.
    columns = [
        np.flatnonzero((a == b).all(axis=0)).tolist()
        for a, b in zip(exchanged[changed][:, 10:30], films[changed][:, 10:30], strict=True)
    ]
    assert len({tuple(each) for each in columns}) > 4
