import numpy as np

from pneumonia.training.surroundings import draw_exchange, exchange_surroundings


def test_a_share_of_the_films_lies_in_the_surroundings_of_others():
    films, others = np.random.default_rng(0).integers(0, 256, (2, 400, 40, 40), dtype=np.uint8)
    exchange = draw_exchange(np.random.default_rng(1), 400, share=0.25)
    before = films.copy()
    exchanged = exchange_surroundings(films, others, exchange)
    assert np.array_equal(films, before)
    assert 70 <= exchange.chosen.sum() <= 130
    assert np.array_equal(exchanged[~exchange.chosen], films[~exchange.chosen])
    # What lies within however the edges are moved is the film's own, what lies outside is of the other one.
    assert np.array_equal(exchanged[:, 8:34, 6:34], films[:, 8:34, 6:34])
    assert np.array_equal(exchanged[exchange.chosen][:, :4], others[exchange.chosen][:, :4])
    upper_edges = (exchanged[exchange.chosen] == films[exchange.chosen])[:, :, 20].argmax(axis=1)
    assert len(set(upper_edges)) > 2
