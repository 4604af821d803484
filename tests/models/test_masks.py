import keras
import numpy as np
import pytest

from pneumonia.models.resnet_seg.masks import decode, loss, targets

SIZE = 64


def loss_of(target: np.ndarray, mask: np.ndarray) -> float:
    maps = (target[None].astype("float32"), mask[None].astype("float32"))
    [value] = keras.ops.convert_to_numpy(loss(*maps, np.array([[mask.max()]], "float32")))
    return float(value)


def test_boxes_that_lie_apart_come_back():
    boxes = np.array([[4.0, 8.0, 16.0, 24.0], [36.0, 30.0, 20.0, 12.0]])
    target = targets(boxes, SIZE)
    assert target.shape == (SIZE, SIZE, 1)
    assert target.sum() == 16 * 24 + 20 * 12
    found = decode(0.8 * target, SIZE)
    np.testing.assert_allclose(found[np.argsort(found[:, 0])], np.column_stack([boxes, [0.8, 0.8]]), rtol=1e-6)


def test_boxes_that_touch_are_one_and_a_speck_is_none():
    touching = np.array([[4.0, 8.0, 16.0, 24.0], [20.0, 8.0, 10.0, 10.0]])
    speck = np.array([[50.0, 50.0, 2.0, 2.0]])
    found = decode(targets(np.concatenate([touching, speck]), SIZE), SIZE)
    np.testing.assert_allclose(found, [[4, 8, 26, 24, 1]])


def test_confidence_is_the_mean_over_the_component():
    mask = np.zeros((SIZE, SIZE, 1), "float32")
    mask[10:20, 10:20], mask[10:20, 20:30] = 0.9, 0.6
    mask[10:20, 30:40] = 0.4  # not part of it
    np.testing.assert_allclose(decode(mask, SIZE), [[10, 10, 20, 10, 0.75]], rtol=1e-6)
    assert decode(np.zeros((SIZE, SIZE, 1), "float32"), SIZE).shape == (0, 5)


def test_a_loss_is_half_cross_entropy_and_half_soft_overlap_by_hand():
    target, mask = np.zeros((2, 2, 1)), np.full((2, 2, 1), 0.5)
    target[0, 0] = 1
    # The intersection is 0.5, the union 1 + 2 - 0.5.
    assert loss_of(target, mask) == pytest.approx(0.5 * np.log(2) + 0.5 * (1 - 1.5 / 3.5), rel=1e-5)
    nothing = np.zeros((2, 2, 1))
    assert loss_of(nothing, nothing) == pytest.approx(0, abs=1e-6)
