"""Each format gives the pixels that one works out by hand, and each broken file its reason."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pneumonia.radiographs.radiograph import Radiograph, UnreadableRadiograph
from pneumonia.radiographs.read import read_radiograph, resize

from ..dicom_files import dicom
from ..png_files import png

ORIGINALS = Path(__file__).parents[2] / ".." / "shared" / "data" / "chest_xray_originals"


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def grain(height: int = 40, width: int = 60) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)


def reason(source: Path | bytes) -> str:
    with pytest.raises(UnreadableRadiograph) as caught:
        read_radiograph(source)
    return str(caught.value)


def facts(film: Radiograph) -> tuple[str, str, int | None]:
    return film.format, film.mode, film.quality


def test_path_and_bytes_give_the_same_whatever_the_suffix(tmp_path: Path) -> None:
    data = encoded(Image.fromarray(grain()), "PNG")
    path = tmp_path / "film.jpeg"
    path.write_bytes(data)
    film = read_radiograph(path)
    np.testing.assert_array_equal(film.pixels, grain())
    np.testing.assert_array_equal(read_radiograph(data).pixels, grain())
    assert (film.width, film.height, film.bytes, *facts(film)) == (60, 40, len(data), "PNG", "L", None)


def test_colour_becomes_luma_and_alpha_is_dropped() -> None:
    # ITU-R 601: 0.299 R + 0.587 G + 0.114 B.
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [100, 100, 100]]], dtype=np.uint8)
    rgb = Image.fromarray(colours)
    expected = [[76, 150, 29, 100]]
    assert read_radiograph(encoded(rgb, "PNG")).pixels.tolist() == expected
    rgba = rgb.convert("RGBA")
    rgba.putalpha(0)
    film = read_radiograph(encoded(rgba, "PNG"))
    assert (film.pixels.tolist(), film.mode) == (expected, "RGBA")
    palette = rgb.quantize(4)
    assert read_radiograph(encoded(palette, "PNG")).pixels.tolist() == expected


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_saturation_is_what_lies_between_the_primaries(mode: str) -> None:
    # (255 + 255 + 0 + 51) / 4 / 255 = 0.55: of pure red and pure blue all, of grey none, of the last 71 - 20.
    colours = np.array([[[255, 0, 0], [0, 0, 255], [100, 100, 100], [71, 20, 40]]], dtype=np.uint8)
    image = Image.fromarray(colours)
    film = read_radiograph(encoded(image.quantize(4) if mode == "P" else image.convert(mode), "PNG"))
    assert film.saturation == pytest.approx(0.55)
    assert read_radiograph(dicom(colours, "RGB")).saturation == pytest.approx(0.55)


@pytest.mark.parametrize(
    ("form", "mode"),
    [("PNG", "1"), ("PNG", "L"), ("PNG", "LA"), ("PNG", "RGB"), ("JPEG", "L"), ("JPEG", "RGB"), ("JPEG", "CMYK")],
)
def test_saturation_of_greys_is_none_however_they_are_stored(form: str, mode: str) -> None:
    image = Image.fromarray(grain()).convert("RGB").convert(mode)
    assert read_radiograph(encoded(image, form)).saturation == 0


@pytest.mark.parametrize("size", [(64, 64), (1000, 700)])
def test_saturation_of_a_jpeg_photograph(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (200, 100, 50))
    assert read_radiograph(encoded(image, "JPEG")).saturation == pytest.approx(150 / 255, abs=0.02)
    assert read_radiograph(encoded(image.convert("CMYK"), "JPEG")).saturation == pytest.approx(150 / 255, abs=0.02)


def test_one_bit_png() -> None:
    assert read_radiograph(encoded(Image.fromarray(np.array([[True, False]])), "PNG")).pixels.tolist() == [[255, 0]]


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_greys_survive_every_mode(mode: str) -> None:
    ramp = Image.fromarray(np.repeat(np.arange(0, 256, 4, dtype=np.uint8)[None], 32, axis=0))
    film = read_radiograph(encoded(ramp.convert("RGB").convert(mode), "JPEG", quality=95))
    assert film.mode == mode
    assert np.abs(film.pixels.astype(int) - np.asarray(ramp)).max() <= 4


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 75, 90, 95, 99, 100])
def test_jpeg_quality_is_what_the_encoder_was_given(quality: int) -> None:
    data = encoded(Image.fromarray(grain()), "JPEG", quality=quality)
    assert facts(read_radiograph(data)) == ("JPEG", "L", quality)


@pytest.mark.parametrize(
    ("brightest", "expected"),
    [(255, 255), (1023, 255), (4095, 255), (16383, 255), (65535, 255), (2048, 128), (3000, 187), (60000, 233)],
)
def test_sixteen_bit_png_is_scaled_by_the_depth_in_use(brightest: int, expected: int) -> None:
    # 12 bits: 2048 * 255 / 4095 = 127.53 and 3000 * 255 / 4095 = 186.8; 16 bits: 60000 * 255 / 65535 = 233.46.
    film = read_radiograph(encoded(Image.fromarray(np.array([[0, brightest]], dtype=np.uint16)), "PNG"))
    assert film.pixels.tolist() == [[0, expected]]
    assert film.mode == "I;16"


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_exif_rotation_is_applied(form: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    upright = np.zeros((64, 32), dtype=np.uint8)
    upright[:16] = 255  # bright at the top
    stored = Image.fromarray(np.rot90(upright).copy())  # counter-clockwise
    film = read_radiograph(encoded(stored, form, exif=exif.tobytes()))
    assert (film.width, film.height) == (32, 64)
    assert np.abs(film.pixels.astype(int) - upright).max() <= 2


@pytest.mark.parametrize(
    ("form", "lost"), [("JPEG", 1), ("JPEG", 40), ("JPEG", 1000), ("PNG", 5), ("PNG", 12), ("PNG", 40), ("PNG", 1000)]
)
def test_truncated(form: str, lost: int) -> None:
    # A PNG's last four bytes are the checksum of its empty last chunk: nothing is lost with them.
    assert reason(encoded(Image.fromarray(grain()), form)[:-lost]).split(":")[0] in {"truncated", "corrupt"}


def test_reason_of_a_jpeg_cut_in_half() -> None:
    data = encoded(Image.fromarray(grain()), "JPEG")
    assert reason(data[: len(data) // 2]).startswith("truncated: ")


def test_jpeg_with_a_tail_of_zeros_is_truncated() -> None:
    data = encoded(Image.fromarray(grain()), "JPEG")
    assert reason(data[: len(data) // 2] + bytes(len(data) // 2)) == "truncated: no end-of-image marker"


def test_png_with_one_wrong_bit_is_corrupt() -> None:
    data = bytearray(encoded(Image.fromarray(grain()), "PNG", compress_level=0))  # it would decode without complaint
    data[len(data) // 2] ^= 1
    assert reason(bytes(data)).startswith("corrupt: ")


def test_other_unreadable_files(tmp_path: Path) -> None:
    assert reason(b"") == "empty"
    assert reason(tmp_path / "absent.png") == "missing"
    assert reason(tmp_path).startswith("cannot be read: ")
    assert reason(b"file,label\n").startswith("not an image: ")
    assert reason(encoded(Image.fromarray(grain()), "GIF")).startswith("not an image: ")
    assert reason(encoded(Image.new("1", (8001, 8000)), "PNG")).startswith("decompression bomb: 8001 x 8000")
    assert reason(encoded(Image.new("1", (14000, 14000)), "PNG")).startswith("decompression bomb: ")


def test_resize_stretches_and_averages() -> None:
    columns = np.tile(np.array([0, 100, 200, 240], dtype=np.uint8).repeat(16), (8, 1))  # (8, 64)
    small = resize(columns, 4)
    assert small.shape == (4, 4)
    assert (np.diff(small[0].astype(int)) > 0).all()
    checks = np.indices((64, 64)).sum(axis=0) % 2 * 200
    assert np.abs(resize(checks.astype(np.uint8), 8).astype(int) - 100).max() <= 1  # antialiased: no moire


def test_encodings_of_real_films() -> None:
    if not ORIGINALS.is_dir():
        pytest.skip("the real films beside the repository are missing")
    films = {path: read_radiograph(path) for path in (ORIGINALS / "train").rglob("*.jpeg")}
    assert sum(film.mode == "RGB" for film in films.values()) == 8
    for path, film in films.items():
        assert (film.quality or 0) > 90 or "PNEUMONIA" in path.parts
        assert film.saturation == 0  # the RGB ones too
        bare = np.asarray(Image.open(path).convert("L"), dtype=int)
        assert np.abs(film.pixels - bare).max() <= 1


def test_a_reason_is_the_same_in_each_run() -> None:
    """No address of an object in it, as Pillow's has: it would change rejected.csv."""
    data = png(np.zeros((4, 4, 1), np.uint8), 8, 5)  # there is no such kind of colours
    assert reason(data) == reason(data) == "corrupt: what starts as a JPEG or PNG is none"
