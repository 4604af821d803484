import numpy as np
import pandas as pd
import pytest

from pneumonia.dataset import FilmBatches, TrainingBatches


@pytest.fixture
def images() -> np.ndarray:
    """Ten films; every pixel of film k is k."""
    return np.broadcast_to(np.arange(10, dtype=np.uint8)[:, None, None], (10, 8, 8)).copy()


@pytest.fixture
def rows() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image": [2, 3, 5, 5],
            "class": ["normal", "pneumonia", "normal", "normal"],
            "draws": [1, 1, 1, 3],
            "augment": [False, False, False, True],
            "weight": [2.0, 0.5, 2.0, 2.0],
        }
    )


def batches(images, rows, make_params, seed=0, **changes):
    settings = make_params({f"train.augmentation.{key}": value for key, value in changes.items()}).train.augmentation
    return TrainingBatches(images, rows, "binary", batch_size=4, settings=settings, seed=seed)


def epoch(feed: TrainingBatches) -> list[tuple[int, float, float, bool]]:
    """Film, target, weight and whether it is augmented, of each draw of an epoch."""
    drawn = []
    for number in range(len(feed)):
        inputs, target, weight = feed[number]
        moved = (inputs["pose"] != [1, 0, 0, 0, 1, 0, 0, 0]).any(axis=1)
        drawn += zip(inputs["image"][:, 0, 0, 0].tolist(), target[:, 0], weight, moved, strict=True)
    feed.on_epoch_end()
    return drawn


def test_an_epoch_draws_each_row_as_often_as_it_says(images, rows, make_params):
    drawn = epoch(batches(images, rows, make_params, apply_to="repeats"))
    expected = [(2, 0, 2, False), (3, 1, 0.5, False), (5, 0, 2, False)] + [(5, 0, 2, True)] * 3
    assert sorted(drawn) == sorted(expected)


def test_all_or_none_are_augmented_when_asked(images, rows, make_params):
    assert all(moved for *_, moved in epoch(batches(images, rows, make_params, apply_to="all")))
    assert not any(moved for *_, moved in epoch(batches(images, rows, make_params, apply_to="none")))


def test_the_seed_and_the_epoch_decide_the_order(images, rows, make_params):
    first, second = batches(images, rows, make_params), batches(images, rows, make_params)
    assert [epoch(first) for _ in range(3)] == [epoch(second) for _ in range(3)]
    orders = [first.order.tolist() for _ in range(5) if not first.on_epoch_end()]
    assert len({tuple(order) for order in orders}) > 1


def test_films_to_predict_on_keep_their_order(images):
    feed = FilmBatches(images, np.array([7, 1, 4]), batch_size=2)
    assert [film[0, 0, 0] for number in range(2) for film in feed[number][0]] == [7, 1, 4]
