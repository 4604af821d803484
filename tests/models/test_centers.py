import keras
import numpy as np
import pytest

from pneumonia.models.centernet.centers import decode, loss, targets

SIZE = 64
BOXES = np.array([[4.0, 8.0, 16.0, 24.0], [36.0, 30.0, 20.0, 12.0]])


def predicted(target: np.ndarray) -> np.ndarray:
    """What a network that knows the `target` would give: its confidence is the heat."""
    return np.concatenate([target[..., :5], target[..., :1]], axis=-1)


def loss_of(target: np.ndarray, maps: np.ndarray, probability: float) -> float:
    film = np.array([[probability]], "float32")
    [value] = keras.ops.convert_to_numpy(loss(target[None], maps[None].astype("float32"), film))
    return float(value)


def test_a_target_holds_its_boxes():
    target = targets(BOXES, SIZE)
    assert target.shape == (8, 8, 6)
    # The first box's centre is at (12, 20): column 1, row 2, whose middle is at (12, 20) too.
    assert target[2, 1, 0] == 1
    np.testing.assert_allclose(SIZE * target[2, 1, 1:5], [8, 12, 8, 12])
    assert (target[..., 0] == 1).sum() == 2
    boxes = decode(predicted(target), SIZE)
    np.testing.assert_allclose(boxes[np.argsort(boxes[:, 0]), :4], BOXES, atol=1e-4)


def test_a_film_without_boxes_has_no_heat_and_none_is_decoded():
    target = targets(np.empty((0, 4)), SIZE)
    assert not target.any()
    assert decode(predicted(target), SIZE).shape == (0, 5)


def test_where_boxes_overlap_the_smaller_one_counts():
    outer, inner = [8.0, 8.0, 48.0, 48.0], [28.0, 28.0, 8.0, 8.0]
    target = targets(np.array([inner, outer]), SIZE)
    np.testing.assert_allclose(SIZE * target[4, 4, 1:5], [8, 8, 0, 0])  # of the inner box, from (36, 36)


def test_a_peak_at_the_edge_gives_a_box_within_the_film():
    maps = np.zeros((8, 8, 6), "float32")
    maps[0, 0] = [0.9, 0.5, 0.5, 0.25, 0.125, 0.8]
    np.testing.assert_allclose(decode(maps, SIZE), [[0, 0, 20, 12, 0.8]], rtol=1e-6)


def test_places_beside_a_peak_are_no_boxes():
    maps = np.zeros((8, 8, 6), "float32")
    maps[..., 1:5] = 0.1
    maps[3, 3, [0, 5]], maps[3, 4, [0, 5]], maps[6, 6, [0, 5]] = 0.9, 0.8, 0.3
    assert decode(maps, SIZE)[:, 4].tolist() == pytest.approx([0.9, 0.3])


def test_a_loss_is_that_of_the_papers_by_hand():
    target = np.zeros((1, 2, 6), "float32")
    target[0, 0] = [1, 0.25, 0.25, 0.25, 0.25, 1]
    target[0, 1, 0] = 0.5
    maps = np.zeros((1, 2, 6))
    maps[0, 0] = [0.8, 0.25, 0.25, 0.25, 0.25, 0]
    maps[0, 1, 0] = 0.1
    heat = -(0.2**2 * np.log(0.8)) - 0.5**4 * 0.1**2 * np.log(0.9)
    assert loss_of(target, maps, 0.5) == pytest.approx(heat + np.log(2), rel=1e-5)
    # A box half as wide, to the left only: IoU 1/2, and nothing around both that is in neither.
    maps[0, 0, 3] = 0
    assert loss_of(target, maps, 0.5) == pytest.approx(heat + np.log(2) + 5 * 0.5, rel=1e-5)


def test_without_boxes_edges_cost_nothing():
    target, maps = targets(np.empty((0, 4)), SIZE), np.zeros((8, 8, 6))
    maps[..., 1:5] = 0.3
    assert loss_of(target, maps, 1e-7) == pytest.approx(0, abs=1e-5)


def test_a_box_narrower_than_a_place_teaches_no_edges_from_outside_of_it():
    target = targets(np.array([[61.8, 8.0, 2.2, 24.0]]), SIZE)  # right of the middle of the last column, at 60
    assert target[..., 0].max() == 1
    assert not target[..., 1:].any()
