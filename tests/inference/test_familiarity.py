from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from pneumonia.errors import UserError
from pneumonia.inference.familiarity import Familiarity, fit
from pneumonia.radiographs.read import read_radiograph, resize

from ..small_classifier import png, thorax

REAL = Path(__file__).parents[2] / ".." / "shared" / "data" / "chest_xray"


@pytest.fixture(scope="module")
def familiar() -> Familiarity:
    return fit(np.stack([thorax(seed) for seed in range(200)]))


def remark(familiar: Familiarity, pixels: np.ndarray) -> str:
    return familiar.remark(read_radiograph(png(pixels)))


def test_films_like_those_of_the_training_get_no_remark(familiar: Familiarity) -> None:
    remarks = [remark(familiar, thorax(seed, size=300)) for seed in range(1000, 1100)]
    assert sum(map(bool, remarks)) <= 3


def test_a_turned_an_inverted_and_an_empty_film_are_unlike(familiar: Familiarity) -> None:
    film = thorax(1000)
    noise = np.random.default_rng(0).integers(60, 200, (96, 96), dtype=np.uint8)
    for strange in (np.rot90(film), np.rot90(film, 3), 255 - film, film[:, :48], noise):
        assert "unlike the training films" in remark(familiar, np.ascontiguousarray(strange))


def test_exposure_is_told_apart(familiar: Familiarity) -> None:
    film = thorax(1000).astype(int)
    assert remark(familiar, (film // 4).astype(np.uint8)).startswith("exposure: darker than 99.9 %")
    assert remark(familiar, (film // 2 + 127).astype(np.uint8)).startswith("exposure: brighter than 99.9 %")
    assert "more white than 99.9 %" in remark(familiar, (film * 2).clip(0, 255).astype(np.uint8))


def test_colour_is_refused_but_neither_grey_rgb_nor_a_faint_tint(familiar: Familiarity) -> None:
    grey = np.repeat(thorax(1000)[..., None], 3, axis=2)
    assert remark(familiar, grey) == ""
    assert remark(familiar, (grey - np.array([0, 3, 8])).clip(0, 255).astype(np.uint8)) == ""
    for photograph in load_sample_images().images:
        assert remark(familiar, photograph) == "a colour picture"
        assert "unlike" in remark(familiar, np.asarray(Image.fromarray(photograph).convert("L")))


def test_a_saved_one_says_the_same_and_is_small(familiar: Familiarity, tmp_path: Path) -> None:
    path = tmp_path / "familiarity.npz"
    familiar.save(path)
    assert path.stat().st_size < 1_000_000
    loaded = Familiarity.load(path)
    for film in (thorax(1000), np.rot90(thorax(1000)).copy(), thorax(1000) // 5):
        assert remark(loaded, film) == remark(familiar, film)


def test_what_cannot_be_loaded_or_learnt_from_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.npz: cannot be read"):
        Familiarity.load(tmp_path / "absent.npz")
    (tmp_path / "text.npz").write_text("no arrays")
    np.savez(tmp_path / "other.npz", something=np.zeros(3))
    np.savez(tmp_path / "pickle.npz", mean=np.array([{}], dtype=object))
    for name in ("text", "other", "pickle"):
        with pytest.raises(UserError, match=f"{name}.npz: is not what"):
            Familiarity.load(tmp_path / f"{name}.npz")
    with pytest.raises(UserError, match="9 training films"):
        fit(np.zeros((9, 64, 64), np.uint8))


@pytest.mark.skipif(not REAL.is_dir(), reason="the real films beside the repository are missing")
def test_on_real_films() -> None:
    files = sorted((REAL / "train").rglob("*.jpeg"))[::6]
    familiar = fit(np.stack([resize(read_radiograph(file).pixels, 128) for file in files]))
    films = [read_radiograph(file) for file in sorted((REAL / "test").rglob("*.jpeg"))]
    false_alarms = np.mean([bool(familiar.remark(film)) for film in films])
    turned = np.mean([bool(remark(familiar, np.rot90(film.pixels).copy())) for film in films[::4]])
    assert false_alarms <= 0.02
    assert turned > 0.9
