import numpy as np
import pandas as pd
import pytest

from pneumonia.training.batches import TrainingBatches

APPLY_TO = "train.augmentation.apply_to"


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


def batches(images, rows, make_params, shard=(0, 1), **changes):
    base = {"train.batch_size": 4, "train.mixup": 0, "train.cutmix": 0}
    return TrainingBatches(images, rows, make_params(base | changes), shard)


def epoch(feed: TrainingBatches) -> list[tuple[int, float, float, bool]]:
    """Film, target, weight and whether it is augmented, of each draw of an epoch."""
    drawn = []
    for number in range(len(feed)):
        inputs, target, weight = feed[number]
        moved = (inputs["pose"] != [1, 0, 0, 0, 1, 0, 0, 0]).any(axis=1)
        kept = weight > 0  # the others fill the last batch up
        weight = weight * kept.mean()
        drawn += zip(inputs["image"][kept, 0, 0, 0].tolist(), target[kept, 0], weight[kept], moved[kept], strict=True)
    return drawn


def test_an_epoch_draws_each_row_as_often_as_it_says(images, rows, make_params):
    drawn = epoch(batches(images, rows, make_params, **{APPLY_TO: "repeats", "rebalance.method": "augment"}))
    expected = [(2, 0, 2, False), (3, 1, 0.5, False), (5, 0, 2, False)] + [(5, 0, 2, True)] * 3
    assert sorted(drawn) == sorted(expected)


def test_all_or_none_are_augmented_when_asked(images, rows, make_params):
    assert all(moved for *_, moved in epoch(batches(images, rows, make_params, **{APPLY_TO: "all"})))
    assert not any(moved for *_, moved in epoch(batches(images, rows, make_params, **{APPLY_TO: "none"})))


def test_the_seed_and_the_epoch_decide_the_order(images, rows, make_params):
    first, second = batches(images, rows, make_params), batches(images, rows, make_params)
    orders = []
    for number in range(4):
        first.begin_epoch(number)
        orders.append(tuple(first.order))
    second.begin_epoch(3)
    assert epoch(first) == epoch(second)
    assert len(set(orders)) > 1


def test_processes_share_a_batch_between_them(images, rows, make_params):
    mixed = {"train.mixup": 0.4, "train.exchanged_surroundings": 0.5}
    whole = batches(images, rows, make_params, **mixed)
    parts = [batches(images, rows, make_params, (number, 2), **mixed) for number in range(2)]
    assert len(whole) == len(parts[0]) == 2
    for number in range(len(whole)):
        inputs, target, weight = whole[number]
        shares = [part[number] for part in parts]
        for name in ("image", "pose", "tone"):
            assert np.array_equal(inputs[name], np.concatenate([share[0][name] for share in shares]))
        assert np.array_equal(target, np.concatenate([share[1] for share in shares]))
        assert np.array_equal(weight, np.concatenate([share[2] for share in shares]))


def test_every_batch_has_one_shape_and_the_last_ones_loss_is_the_mean_over_its_own_films(images, rows, make_params):
    feed = batches(images, rows, make_params)  # 6 draws in batches of 4
    shapes = [[part.shape for part in (*inputs.values(), target, weight)] for inputs, target, weight in feed]
    assert len(shapes) == 2 and shapes[0] == shapes[1]
    inputs, _, weight = feed[1]
    own = rows.set_index("image").loc[inputs["image"][:2, 0, 0, 0].tolist(), "weight"]
    own = [each if np.isscalar(each) else each.iloc[0] for each in own]
    assert weight.tolist() == [2 * own[0], 2 * own[1], 0, 0]


def test_blends_lie_between_the_two_films_in_grey_target_and_weight(images, rows, make_params):
    changes = {APPLY_TO: "none", "train.mixup": 1.0, "train.batch_size": 40}
    inputs, target, weight = batches(images * 25, rows.assign(draws=10), make_params, **changes)[0]
    assert set(np.unique(inputs["image"][:, 0, 0, 0])) - {50, 75, 125}
    assert ((target >= 0) & (target <= 1)).all()
    assert ((weight >= 0.5) & (weight <= 2)).all()


def test_some_films_keep_their_class_in_the_surroundings_of_another(images, rows, make_params):
    rows["draws"] = 30
    feed = batches(images, rows, make_params, **{APPLY_TO: "none", "train.exchanged_surroundings": 0.5})
    alone, exchanged = [], 0
    for number in range(len(feed)):
        inputs, target, _ = feed[number]
        corner, middle = inputs["image"][:, 0, 0, 0], inputs["image"][:, 4, 4, 0]
        exchanged += (corner != middle).sum()
        alone += list(zip(middle.tolist(), target[:, 0].tolist(), strict=True))
    assert set(alone) == {(2, 0), (3, 1), (5, 0)}  # the film in the middle decides
    assert 20 <= exchanged <= 60  # of 120, half are chosen, some of them for another draw of the same film
