import io

import numpy as np
import pytest
from PIL import Image

from pneumonia.training.augmentation import Augment, draw_pose_and_tone

RANGES = ("rotation", "zoom", "shift", "gamma", "contrast", "brightness", "noise", "blur", "compression")
STILL = {f"train.augmentation.{name}": 0 for name in RANGES} | {"train.augmentation.strength": 1}
NEUTRAL = [1, 1, 0, 0, 0, 0]
"""Gamma, contrast, brightness, noise, blur, compression."""


def settings(make_params, **changes):
    named = {f"train.augmentation.{name}": value for name, value in changes.items()}
    return make_params(STILL | named).train.augmentation


def film() -> np.ndarray:
    return np.random.default_rng(0).integers(40, 200, (1, 16, 16, 1), dtype=np.uint8)


def augmented(settings, image: np.ndarray, seed: int = 0, training: bool = True) -> np.ndarray:
    pose, tone = draw_pose_and_tone(np.random.default_rng(seed), np.ones(len(image), bool), image.shape[1], settings)
    return np.asarray(Augment(settings, 0)(image, pose, tone, training=training))


def test_without_any_range_the_film_is_untouched(make_params):
    assert np.allclose(augmented(settings(make_params), film()), film(), atol=1e-3)


def test_films_that_are_not_to_be_augmented_are_untouched(make_params):
    pose, tone = draw_pose_and_tone(
        np.random.default_rng(0), np.array([False, True]), 16, make_params().train.augmentation
    )
    assert pose[0].tolist() == [1, 0, 0, 0, 1, 0, 0, 0]
    assert tone[0].tolist() == NEUTRAL
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


def toned(make_params, image: np.ndarray, tone: list[float]) -> np.ndarray:
    """`image` with `tone` and as it lies."""
    size = image.shape[1]
    everything = settings(make_params, gamma=0.5, noise=0.1, blur=1, compression=1, contrast=0.2, brightness=0.2)
    pose, _ = draw_pose_and_tone(np.random.default_rng(0), np.zeros(1, bool), size, everything)
    return np.asarray(Augment(everything, 0)(image, pose, np.array([tone], "float32"), training=True))


def test_brightness_contrast_and_gamma_by_hand(make_params):
    image = np.full((1, 8, 8, 1), 100, np.uint8)
    changed = toned(make_params, image, [1, 1.2, 0.1, 0, 0, 0])
    assert changed == pytest.approx((100 - 127.5) * 1.2 + 127.5 + 25.5, abs=0.1)
    assert toned(make_params, image, [1.3, 1, 0, 0, 0, 0]) == pytest.approx(255 * (100 / 255) ** 1.3, abs=0.1)


def test_blur_spreads_a_point_by_the_binomial_weights(make_params):
    image = np.zeros((1, 16, 16, 1), np.uint8)
    image[0, 8, 8] = 255
    half = toned(make_params, image, [1, 1, 0, 0, 0.5, 0])[0, 8, :, 0]
    row = 255 * 0.5 * 6 / 16 * np.array([1, 4, 6, 4, 1]) / 16
    row[2] += 255 * 0.5
    assert half[6:11] == pytest.approx(row, abs=0.1)


def test_noise_has_the_deviation_it_says_and_comes_from_the_seed(make_params):
    image = np.full((1, 64, 64, 1), 128, np.uint8)
    noisy, again = (toned(make_params, image, [1, 1, 0, 0.05, 0, 0]) for _ in range(2))
    assert noisy.std() == pytest.approx(0.05 * 255, rel=0.05)
    assert np.array_equal(noisy, again)


def test_compression_loses_what_jpeg_of_quality_50_loses(make_params):
    """Pillow's encoder is the judge: the same table, rounding to grey values apart."""
    rng = np.random.default_rng(0)
    smooth = np.cumsum(np.cumsum(rng.normal(size=(20, 20)), axis=0), axis=1)
    image = np.clip(128 + 6 * smooth + rng.normal(scale=12, size=(20, 20)), 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(np.pad(image, ((0, 4), (0, 4)), mode="reflect")).save(stream, "JPEG", quality=50)
    jpeg = np.asarray(Image.open(stream))[:20, :20].astype(float)
    ours = toned(make_params, image[None, ..., None], [1, 1, 0, 0, 0, 1])[0, ..., 0]
    lost = abs(jpeg - image).mean()
    assert lost > 3
    assert abs(ours - jpeg).mean() < 0.25 * lost


def test_strength_scales_every_range(make_params):
    ranges = make_params({"train.augmentation.strength": 1}).train.augmentation
    whole, half = (
        draw_pose_and_tone(
            np.random.default_rng(0), np.ones(50, bool), 64, ranges.model_copy(update={"strength": strength})
        )
        for strength in (1, 0.5)
    )
    assert half[1][:, 1:] - NEUTRAL[1:] == pytest.approx((whole[1][:, 1:] - NEUTRAL[1:]) / 2, abs=1e-6)
    assert np.log(half[1][:, 0]) == pytest.approx(np.log(whole[1][:, 0]) / 2, abs=1e-6)
    assert (
        abs(half[0] - np.float32([1, 0, 0, 0, 1, 0, 0, 0])).max()
        < abs(whole[0] - np.float32([1, 0, 0, 0, 1, 0, 0, 0])).max()
    )


@pytest.mark.parametrize(("least_share", "variance"), [(0, 1 / 9), (0.5, 7 / 36), (1, 1 / 3)])
def test_a_film_has_its_own_share_of_the_ranges_from_the_least_on(make_params, least_share, variance):
    """Of u · x, where x is uniform from -1 to 1 and the share u from `least_share` to 1: E[u²] E[x²]."""
    changes = {"train.augmentation.strength": 1, "train.augmentation.least_share": least_share}
    ranges = make_params(changes).train.augmentation
    _, tone = draw_pose_and_tone(np.random.default_rng(0), np.ones(100_000, bool), 64, ranges)
    assert np.var(tone[:, 2] / ranges.brightness) == pytest.approx(variance, rel=0.02)


def test_the_seed_decides_the_draw(make_params):
    ranges = make_params().train.augmentation
    first, again, other = (augmented(ranges, film(), seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_some_films_stay_almost_as_they_are_and_some_change_all_over(make_params):
    settings = make_params({"train.augmentation.strength": 1.0}).train.augmentation
    _, tone = draw_pose_and_tone(np.random.default_rng(0), np.ones(2000, bool), 64, settings)
    ranges = [settings.contrast, settings.brightness, settings.noise, settings.blur, settings.compression]
    most = (np.abs(tone[:, 1:] - [1, 0, 0, 0, 0]) / ranges).max(axis=1)  # share of a range that a film uses up
    # Five numbers within a tenth of their ranges: one film in 100,000 if each were drawn on its own.
    assert 0.08 < (most < 0.1).mean() < 0.2
    assert (most > 0.7).mean() > 0.1
