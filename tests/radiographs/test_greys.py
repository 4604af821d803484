"""A film comes out as the same greys, whatever a file keeps them in."""

import io
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless

from pneumonia.radiographs.read import read_radiograph

from ..dicom_files import dicom
from ..png_files import chunk, png

GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6


def film() -> np.ndarray:
    """A film of 12 bits, uint16 (48, 64), from black to white."""
    ramp = np.linspace(0, 4095, 64).astype(np.uint16)
    return np.tile(ramp, (48, 1)) - np.arange(48, dtype=np.uint16)[:, None] * (ramp > 100)


def shown(stored: np.ndarray) -> np.ndarray:
    """`film` as it is to be seen: 12 bits scaled to 8."""
    return np.rint(stored * (255 / 4095)).astype(np.uint8)


def with_alpha(samples: np.ndarray, alpha: int) -> np.ndarray:
    return np.concatenate([samples, np.full_like(samples[..., :1], alpha)], axis=2)


@pytest.mark.parametrize("alpha", [0, 65535])
@pytest.mark.parametrize("kind", [GREY, RGB, GREY_ALPHA, RGB_ALPHA])
def test_sixteen_bit_png_keeps_all_its_greys(kind: int, alpha: int) -> None:
    samples = film()[..., None].repeat(3 if kind in (RGB, RGB_ALPHA) else 1, axis=2)
    data = png(with_alpha(samples, alpha) if kind in (GREY_ALPHA, RGB_ALPHA) else samples, 16, kind)
    np.testing.assert_array_equal(read_radiograph(data).pixels, shown(film()))
    assert read_radiograph(data).saturation == 0


def test_sixteen_bit_colours_become_luma() -> None:
    # 0.299 * 40000, 0.587 * 40000 and 0.114 * 40000 of 65535, and a white that needs all 16 bits.
    colours = np.array([[[40000, 0, 0], [0, 40000, 0], [0, 0, 40000], [65535] * 3]], np.uint16)
    expected = [[47, 91, 18, 255]]
    assert read_radiograph(png(colours, 16, RGB)).pixels.tolist() == expected
    assert read_radiograph(dicom(colours, "RGB", bits=16)).pixels.tolist() == expected


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_fewer_bits_of_a_png_are_all_in_use(bits: int) -> None:
    # 2 bits: 0, 85, 170, 255.
    greys = np.arange(2**bits)[None, :, None]
    expected = [round(grey * 255 / (2**bits - 1)) for grey in range(2**bits)]
    assert read_radiograph(png(greys, bits, GREY)).pixels.tolist() == [expected]


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palette_is_looked_up(bits: int) -> None:
    rows = np.array([[[0], [1], [1], [0]]])
    data = png(rows, bits, PALETTE, chunk(b"PLTE", bytes([10, 10, 10, 200, 200, 200])))
    assert read_radiograph(data).pixels.tolist() == [[10, 200, 200, 10]]


@pytest.mark.parametrize("kind", [GREY, RGB, GREY_ALPHA, RGB_ALPHA])
def test_transparency_of_one_colour_does_not_matter(kind: int) -> None:
    samples = film()[..., None].repeat(3, axis=2) if kind in (RGB, RGB_ALPHA) else film()[..., None]
    samples = with_alpha(samples, 9) if kind in (GREY_ALPHA, RGB_ALPHA) else samples
    transparent = chunk(b"tRNS", b"\0\0" * (3 if kind == RGB else 1))
    np.testing.assert_array_equal(read_radiograph(png(samples, 16, kind, transparent)).pixels, shown(film()))


@pytest.mark.parametrize("offset", [0, 500, 1000, 1024, 2000, 2048])
@pytest.mark.parametrize("bits", [13, 16])
def test_signed_greys_without_a_window_are_scaled_by_those_in_use(offset: int, bits: int) -> None:
    data = dicom((film().astype(np.int32) - offset).astype(np.int16), bits=bits)
    np.testing.assert_array_equal(read_radiograph(data).pixels, shown(film()))
    inverted = dicom((film().astype(np.int32) - offset).astype(np.int16), "MONOCHROME1", bits=bits)
    np.testing.assert_array_equal(read_radiograph(inverted).pixels, 255 - shown(film()))


@pytest.mark.parametrize("offset", [1000, 1024, 2000, 2048])
def test_a_signed_film_without_black_is_as_grey_as_it_is_unsigned(offset: int) -> None:
    grey = film() // 2 + 500
    signed = read_radiograph(dicom((grey.astype(np.int32) - offset).astype(np.int16), bits=16)).pixels.astype(int)
    assert np.abs(signed - shown(grey)).max() <= 3  # 48 of 4,095, where 1,024 or 2,048 is taken for the number


def test_signed_eight_bits_and_all_positive_ones() -> None:
    signed = np.array([[-128, 0, 127]], np.int8)
    assert read_radiograph(dicom(signed, bits=8)).pixels.tolist() == [[0, 128, 255]]
    # The brightest that a sign leaves room for is white: 32767, and not 65535.
    assert read_radiograph(dicom(np.array([[0, 16384, 32767]], np.int16), bits=16)).pixels.tolist() == [[0, 128, 255]]


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    ("value", "limit", "written"),
    [(65535, None, 65535), (0, None, 0), (5000, 5999, 5500), (5999, 5000, 5000), (60000, 65535, 65000)],
)
def test_padding_is_black_and_does_not_count(photometric: str, value: int, limit: int | None, written: int) -> None:
    stored = np.maximum(film(), 1)
    stored[:, :10] = written
    expected = shown(np.maximum(film(), 1))
    expected = 255 - expected if photometric == "MONOCHROME1" else expected
    expected[:, :10] = 0
    elements: dict[str, Any] = {"PixelPaddingValue": value}
    if limit is not None:
        elements["PixelPaddingRangeLimit"] = limit
    np.testing.assert_array_equal(read_radiograph(dicom(stored, photometric, bits=16, **elements)).pixels, expected)


def test_padding_below_zero_and_padding_under_a_window() -> None:
    stored = film().astype(np.int16)
    expected = shown(film())
    stored[:, :10], expected[:, :10] = -2000, 0
    padded = dicom(stored, bits=16, PixelPaddingValue=-2000)
    np.testing.assert_array_equal(read_radiograph(padded).pixels, expected)
    wide = dicom(stored + 4096, bits=16, PixelPaddingValue=2096, WindowCenter=4096 + 2048, WindowWidth=4096)
    np.testing.assert_array_equal(read_radiograph(wide).pixels, expected)


def test_padding_written_without_its_sign() -> None:
    stored = film().astype(np.int16)
    stored[:, :10] = -2000
    data = dicom(stored, bits=16, PixelPaddingValue=-2000)
    tag = b"\x28\x00\x20\x01"
    assert tag + b"SS" in data
    unsigned = data.replace(tag + b"SS", tag + b"US")
    np.testing.assert_array_equal(read_radiograph(unsigned).pixels, read_radiograph(data).pixels)


def with_window(centre: bytes, width: bytes) -> np.ndarray:
    """`film` as shown by a window of these texts."""
    data = dicom(film(), bits=12, WindowCenter="1111.5", WindowWidth="2222.5")
    for old, new in ((b"1111.5", centre), (b"2222.5", width)):
        assert data.count(old) == 1
        data = data.replace(old, new.ljust(6))
    return read_radiograph(data).pixels


def test_a_decimal_comma_is_read() -> None:
    np.testing.assert_array_equal(with_window(b"1000,5", b"2001,0"), with_window(b"1000.5", b"2001.0"))


@pytest.mark.parametrize("wrong", [b"wide", b"NaN", b"inf", b"-inf", b"1e999", b"", b"\xff\xfe\x00", b"--5", b"0x10"])
def test_a_window_that_cannot_be_read_is_none(wrong: bytes) -> None:
    np.testing.assert_array_equal(with_window(b"1000", wrong), shown(film()))
    np.testing.assert_array_equal(with_window(wrong, b"2000"), shown(film()))


def test_of_several_windows_the_first_that_can_be_read() -> None:
    only = with_window(b"1000", b"2000")
    np.testing.assert_array_equal(with_window(b"x\\1000", b"2\\2000"), only)
    np.testing.assert_array_equal(with_window(b"1000\\9", b"2000"), only)
    np.testing.assert_array_equal(with_window(b"9\\1000", b"0\\2000"), only)


@pytest.mark.parametrize("element", ["RescaleSlope", "RescaleIntercept"])
@pytest.mark.parametrize("wrong", [b"steep ", b"NaN   ", b"1e9999"])
def test_a_rescale_that_cannot_be_read_is_none(element: str, wrong: bytes) -> None:
    elements = {"RescaleSlope": "1", "RescaleIntercept": "0"} | {element: "3333.5"}
    data = dicom(film(), bits=12, **elements).replace(b"3333.5", wrong)
    np.testing.assert_array_equal(read_radiograph(data).pixels, shown(film()))


def in_stream(stored: np.ndarray, bits: int, **tags: Any) -> np.ndarray:
    """A film of `bits` as JPEG 2000, read with other tags around it."""
    dataset = pydicom.dcmread(io.BytesIO(dicom(stored, bits=bits)))
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    for name, value in tags.items():
        setattr(dataset, name, value)
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=False)
    return read_radiograph(file.getvalue()).pixels


@pytest.mark.parametrize(
    ("bits", "tags"),
    [
        (8, {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}),
        (12, {"BitsStored": 16, "HighBit": 15}),
        (12, {"BitsStored": 14, "HighBit": 13}),
        (12, {"BitsStored": 10, "HighBit": 9}),
        (16, {"BitsStored": 12, "HighBit": 11}),
    ],
)
def test_the_bits_in_a_stream_count_and_not_the_tag(bits: int, tags: dict[str, int]) -> None:
    stored = shown(film()) if bits == 8 else film() << (bits - 12)
    read = in_stream(stored, bits, **tags)
    assert np.abs(read.astype(int) - shown(film())).max() <= 1


def test_a_sign_in_a_stream_counts_and_not_the_tag() -> None:
    stored = (film().astype(np.int32) - 2048).astype(np.int16)
    read = in_stream(stored, 16, PixelRepresentation=0)
    np.testing.assert_array_equal(read, shown(film()))


def table(bits: int, entries: int = 4096, data: int = 4096) -> pydicom.Dataset:
    """A look-up table that changes nothing of 12 bits."""
    lut = pydicom.Dataset()
    lut.add_new("LUTDescriptor", "US", [entries, 0, bits])
    lut.add_new("LUTData", "US", list(range(data)))
    return lut


@pytest.mark.parametrize("name", ["VOILUTSequence", "ModalityLUTSequence"])
@pytest.mark.parametrize("bits", [0, 8, 12, 16, 99])
def test_a_table_with_wrong_bits_keeps_its_greys(name: str, bits: int) -> None:
    read = read_radiograph(dicom(film(), bits=12, **{name: [table(bits)]})).pixels
    np.testing.assert_array_equal(read, shown(film()))


@pytest.mark.parametrize("lut", [None, pydicom.Dataset(), table(12, data=3), table(12, entries=60_000)])
def test_a_table_that_is_not_whole_is_none(lut: pydicom.Dataset | None) -> None:
    window = {"WindowCenter": 1000, "WindowWidth": 2000}
    expected = read_radiograph(dicom(film(), bits=12, **window)).pixels
    tables = {"VOILUTSequence": [] if lut is None else [lut]}
    np.testing.assert_array_equal(read_radiograph(dicom(film(), bits=12, **tables, **window)).pixels, expected)


@pytest.mark.parametrize("slope", [None, "0", "steep"])
def test_an_intercept_counts_without_a_slope(slope: str | None) -> None:
    elements: dict[str, Any] = {"RescaleIntercept": -1024, "WindowCenter": 1024, "WindowWidth": 4096}
    if slope:
        elements["RescaleSlope"] = "7.7777"
    data = dicom(film(), bits=12, **elements).replace(b"7.7777", (slope or "").ljust(6).encode())
    # From 1024 - 2048 to 1024 + 2047, of values that begin at -1024: all of them.
    assert np.abs(read_radiograph(data).pixels.astype(int) - shown(film())).max() <= 1


@pytest.mark.parametrize(
    ("value", "limit"),
    [(65535, None), (-2000, None), (-300, -5), (300, 70_000)],
    ids=["above", "below", "range", "top"],
)
def test_padding_that_a_film_of_eight_bits_cannot_have_is_none(value: int, limit: int | None) -> None:
    elements = {"PixelPaddingValue": value} | ({} if limit is None else {"PixelPaddingRangeLimit": limit})
    data = dicom(film(), bits=12)  # for its tags alone: pydicom writes no such number beside 8 bits
    dataset = pydicom.dcmread(io.BytesIO(data))
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelData = 7, shown(film()).tobytes()
    for name, number in elements.items():
        tag = pydicom.datadict.tag_for_keyword(name)
        assert tag is not None
        dataset.add_new(tag, "SL", number)
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=False)
    np.testing.assert_array_equal(read_radiograph(file.getvalue()).pixels, shown(film()))


def test_a_comma_before_three_digits_may_be_thousands_and_is_not_read() -> None:
    np.testing.assert_array_equal(with_window(b"2,048", b"4,096"), shown(film()))


def test_a_signed_film_of_all_its_bits_is_black_where_these_begin() -> None:
    """Its darkest place is grey: 2048 + -1024 of 4095."""
    stored = np.array([[-1024, 0, 2047]], np.int16)
    assert read_radiograph(dicom(stored, bits=12)).pixels.tolist() == [[64, 128, 255]]


def test_colours_of_twelve_bits_in_sixteen_are_as_colourful_as_they_look() -> None:
    colours = np.zeros((48, 64, 3), np.uint16)
    colours[..., 0] = 4095
    assert read_radiograph(png(colours, 16, RGB)).saturation == pytest.approx(1, abs=0.01)
    assert read_radiograph(dicom(colours, "RGB", bits=16)).saturation == pytest.approx(1, abs=0.01)
