import numpy as np
import pytest

from pneumonia.augmentation import Augment, draw

STILL = {f"train.augmentation.{name}": 0 for name in ("rotation", "zoom", "shift", "brightness", "contrast")}


def settings(make_params, **changes):
    named = {f"train.augmentation.{name}": value for name, value in changes.items()}
    return make_params(STILL | named).train.augmentation


def film() -> np.ndarray:
    return np.random.default_rng(0).integers(40, 200, (1, 16, 16, 1), dtype=np.uint8)


def augmented(settings, image: np.ndarray, seed: int = 0, training: bool = True) -> np.ndarray:
    pose, tone = draw(np.random.default_rng(seed), np.ones(len(image), bool), image.shape[1], settings)
    return np.asarray(Augment()(image, pose, tone, training=training))


def test_without_any_range_the_film_is_untouched(make_params):
    assert np.allclose(augmented(settings(make_params), film()), film(), atol=1e-3)


def test_films_that_are_not_to_be_augmented_are_untouched(make_params):
    pose, tone = draw(np.random.default_rng(0), np.array([False, True]), 16, make_params().train.augmentation)
    assert pose[0].tolist() == [1, 0, 0, 0, 1, 0, 0, 0]
    assert tone[0].tolist() == [1, 0]
    assert abs(pose[1] - pose[0]).max() > 0.01


def test_nothing_happens_outside_training(make_params):
    assert np.array_equal(augmented(make_params().train.augmentation, film(), training=False), film())


def test_a_flip_mirrors_the_columns(make_params):
    flips = [augmented(settings(make_params, horizontal_flip=True), film(), seed) for seed in range(8)]
    mirrored = [np.allclose(image, film()[:, :, ::-1], atol=1e-2) for image in flips]
    untouched = [np.allclose(image, film(), atol=1e-2) for image in flips]
    assert any(mirrored)
    assert any(untouched)
    assert all(a or b for a, b in zip(mirrored, untouched, strict=True))


def test_zoom_and_rotation_leave_the_centre_in_its_place(make_params):
    image = np.zeros((1, 17, 17, 1), np.uint8)
    image[0, 8, 8] = 255
    turned = augmented(settings(make_params, rotation=1.0, zoom=0.3), image)
    assert np.unravel_index(turned.argmax(), (17, 17)) == (8, 8)


def test_shift_stays_within_its_range(make_params):
    image = np.zeros((64, 32, 32, 1), np.uint8)
    image[:, 16, 16] = 255
    moved = augmented(settings(make_params, shift=0.25), image)[..., 0]
    rows, columns = np.unravel_index(moved.reshape(64, -1).argmax(axis=1), (32, 32))
    assert 5 <= np.ptp(rows) <= 16
    assert 5 <= np.ptp(columns) <= 16


def test_brightness_and_contrast_by_hand(make_params):
    image = np.full((1, 4, 4, 1), 100, np.uint8)
    pose, tone = draw(np.random.default_rng(0), np.ones(1, bool), 4, settings(make_params))
    tone[:] = [[1.2, 0.1]]
    changed = np.asarray(Augment()(image, pose, tone, training=True))
    assert changed == pytest.approx((100 - 127.5) * 1.2 + 127.5 + 25.5, abs=1e-3)


def test_the_seed_decides_the_draw(make_params):
    ranges = make_params().train.augmentation
    first, again, other = (augmented(ranges, film(), seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)
