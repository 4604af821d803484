import keras
import numpy as np
import pytest

from pneumonia.training.blending import Blend, blend_images, blend_targets, draw_blend


def settings(make_params, mixup: float, cutmix: float):
    return make_params({"train.mixup": mixup, "train.cutmix": cutmix}).train


def test_a_mix_and_a_cut_by_hand():
    images, others = np.full((2, 4, 4), 100, np.uint8), np.full((2, 4, 4), 200, np.uint8)
    blend = Blend(np.float32([0.75, 0.75]), np.array([False, True]), np.array([[0, 4, 0, 4], [1, 3, 2, 4]]))
    mixed, cut = blend_images(images, others, blend)
    assert (mixed == 125).all()
    expected = np.full((4, 4), 100)
    expected[1:3, 2:4] = 200
    assert np.array_equal(cut, expected)
    assert (images == 100).all()


def test_the_share_of_a_cut_is_that_of_its_pixels(make_params):
    blend = draw_blend(np.random.default_rng(0), 500, 32, settings(make_params, 0, 1.0))
    assert blend.cut.all()
    assert 0.4 < blend.share.mean() < 0.8  # 0.5, and what the border leaves of the film
    black, white = np.zeros((500, 32, 32), np.uint8), np.full((500, 32, 32), 255, np.uint8)
    kept = (blend_images(black, white, blend) == 0).mean(axis=(1, 2))
    assert kept == pytest.approx(blend.share, abs=1e-6)


def test_with_both_either_is_drawn_and_with_mixup_alone_no_cut(make_params):
    both = draw_blend(np.random.default_rng(0), 500, 32, settings(make_params, 0.4, 1.0))
    assert 0.4 < both.cut.mean() < 0.6
    mixed = draw_blend(np.random.default_rng(0), 5000, 32, settings(make_params, 0.4, 0))
    assert not mixed.cut.any()
    assert mixed.share.mean() == pytest.approx(0.5, abs=0.02)
    assert mixed.share.var() == pytest.approx(1 / (4 * (2 * 0.4 + 1)), rel=0.05)  # of Beta(0.4, 0.4)


def test_the_loss_of_a_blend_is_the_blend_of_the_weighted_losses():
    target, other = np.float32([[0], [1]]), np.float32([[1], [0]])
    weight, other_weight, share = np.float32([2, 0.5]), np.float32([0.5, 3]), np.float32([0.7, 0.2])
    predicted = np.float32([[0.3], [0.9]])
    blended, blended_weight = blend_targets(target, weight, other, other_weight, share)

    def loss(truth):
        return np.array(keras.losses.binary_crossentropy(truth, predicted))

    wanted = share * weight * loss(target) + (1 - share) * other_weight * loss(other)
    assert blended_weight * loss(blended) == pytest.approx(wanted, rel=1e-5)
