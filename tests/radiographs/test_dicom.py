"""What scanners and archives write, as greys that one works out by hand."""

import io
import tracemalloc
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG2MPML, ExplicitVRLittleEndian

from pneumonia.radiographs.radiograph import UnreadableRadiograph
from pneumonia.radiographs.read import read_radiograph

from ..dicom_files import dicom, saved


def grain(height: int = 40, width: int = 60) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)


def greys(stored: list[int], dtype: type = np.uint16, **elements: Any) -> list[int]:
    """The greys of a film of one row."""
    shown: list[int] = read_radiograph(dicom(np.array([stored], dtype), **elements)).pixels[0].tolist()
    return shown


def table(descriptor: list[int], data: Any, data_type: str = "US") -> Dataset:
    lut = Dataset()
    lut.add_new("LUTDescriptor", "US", descriptor)
    lut.add_new("LUTData", data_type, data)
    return lut


def reason(data: bytes) -> str:
    with pytest.raises(UnreadableRadiograph) as caught:
        read_radiograph(data)
    return str(caught.value)


def test_eight_bits_keep_their_greys() -> None:
    film = read_radiograph(dicom(grain()))
    np.testing.assert_array_equal(film.pixels, grain())
    assert (film.format, film.mode, film.quality, film.saturation, film.frames) == ("DICOM", "MONOCHROME2", None, 0, 1)


def test_monochrome1_is_inverted() -> None:
    np.testing.assert_array_equal(read_radiograph(dicom(grain(), "MONOCHROME1")).pixels, 255 - grain())


def test_without_window_black_and_white_are_those_of_the_bits_stored() -> None:
    assert greys([0, 1000, 2000, 4095], bits=12) == [0, 62, 125, 255]  # 1000 * 255 / 4095 = 62.3, 2000: 124.5
    assert greys([0, 512, 1000], bits=12) == [0, 32, 62]
    assert greys([-2048, 0, 2047], np.int16, bits=12) == [0, 128, 255]  # 2048 * 255 / 4095 = 127.53


def test_a_twelve_bit_film_that_claims_all_sixteen_bits_is_no_black_one() -> None:
    assert greys([0, 2048, 4095], bits=16) == [0, 128, 255]
    assert greys([0, 2048, 4095], np.int16, bits=16) == [0, 128, 255]


def test_unused_bits_are_ignored_wherever_they_are() -> None:
    """As of old scanners, which kept overlays in them."""
    shown = greys([0, 1000, 2000, 4095], bits=12)
    assert greys([0xF000, 0x5000 + 1000, 2000, 4095], bits=12) == shown
    assert greys([0xF, 1000 << 4, (2000 << 4) + 5, 4095 << 4], bits=12, HighBit=15) == shown
    assert greys([1, (1000 << 2) + 3, 0x4000 + (2000 << 2), 4095 << 2], bits=12, HighBit=13) == shown
    signed = greys([-2048, 0, 1000], np.int16, bits=12)
    assert greys([0x0800, 0x7000, 1000], np.int16, bits=12) == signed
    assert greys([-(2048 << 4), 0xF, 1000 << 4], np.int16, bits=12, HighBit=15) == signed


def test_linear_window() -> None:
    # Black up to 100 - 0.5 - 100 / 2 = 49.5, white from 149.5 on; 50: 255 * 0.5 / 100, 100: 255 * 50.5 / 100.
    window = {"WindowCenter": 100, "WindowWidth": 101}
    assert greys([0, 49, 50, 100, 149, 150, 4095], bits=12, **window) == [0, 0, 1, 129, 254, 255, 255]


def test_exact_window_of_rescaled_values() -> None:
    # Stored times 2 plus 10; the window goes from 10 - 400 / 2 to 10 + 400 / 2.
    window = {"RescaleSlope": 2, "RescaleIntercept": 10, "WindowCenter": 10, "WindowWidth": 400}
    stored = [-2000, -100, -50, 0, 50, 100, 2000]
    shown = greys(stored, np.int16, bits=12, VOILUTFunction="LINEAR_EXACT", **window)
    assert shown == [0, 0, 64, 128, 191, 255, 255]


def test_sigmoid_window() -> None:
    # 255 / (1 + exp(-4 (x - 100) / 40)): 127.5 at 100, 255 * 0.7311 = 186.4 at 110, 255 * 0.2689 = 68.6 at 90.
    window = {"WindowCenter": 100, "WindowWidth": 40, "VOILUTFunction": "SIGMOID"}
    assert greys([0, 90, 100, 110, 4095], bits=12, **window) == [0, 69, 128, 186, 255]


def test_of_several_windows_the_first() -> None:
    first = greys([50, 100, 150], bits=12, WindowCenter=100, WindowWidth=101)
    assert greys([50, 100, 150], bits=12, WindowCenter=[100, 2000], WindowWidth=[101, 4000]) == first


@pytest.mark.parametrize("window", [(0, 0), (0, 1), (None, 400), ("", "")])
def test_placeholders_for_a_window_are_none(window: tuple[Any, Any]) -> None:
    shown = greys([0, 1000, 4095], bits=12, WindowCenter=window[0], WindowWidth=window[1])
    assert shown == [0, 62, 255]


def test_a_falling_rescale_turns_the_greys_round() -> None:
    assert greys([0, 1000, 4095], bits=12, RescaleSlope=-1, RescaleIntercept=4095) == [255, 193, 0]  # 3095 / 4095


@pytest.mark.parametrize("use", ["VOILUTSequence", "ModalityLUTSequence"])
def test_tables(use: str) -> None:
    # 4 entries from value 1 on, of 10 bits; what lies beyond takes the first or last: 511 * 255 / 1023 = 127.4.
    ten_bits = table([4, 1, 10], [0, 1023, 511, 1023])
    assert greys([0, 1, 2, 3, 4, 99], np.uint8, **{use: [ten_bits]}) == [0, 0, 255, 127, 255, 255]
    # A table that makes 8 bits of 12 has more entries than its own bits can count.
    wide = table([4096, 0, 8], [value // 16 for value in range(4096)])
    assert greys([0, 1000, 4095], bits=12, **{use: [wide]}) == [0, 62, 255]


@pytest.mark.parametrize(("data", "bits"), [(bytes([0, 64, 128, 255]), 8), (bytes([0, 0, 64, 0, 128, 0, 255, 0]), 8)])
def test_a_table_in_bytes_of_one_or_two_an_entry(data: bytes, bits: int) -> None:
    lut = table([4, 0, bits], data, "OW")
    assert greys([0, 1, 2, 3], np.uint8, VOILUTSequence=[lut]) == [0, 64, 128, 255]


def test_a_table_applies_to_rescaled_values_below_zero() -> None:
    lut = table([3, 65536 - 10, 8], [10, 20, 30])  # from -10 on, written as unsigned
    rescale = {"RescaleSlope": 1, "RescaleIntercept": -10}
    assert greys([0, 1, 2, 9], np.uint8, VOILUTSequence=[lut], **rescale) == [10, 20, 30, 30]


def test_of_several_frames_the_first() -> None:
    frames = np.stack([grain(), 255 - grain()])
    film = read_radiograph(dicom(grain(), NumberOfFrames=2, PixelData=frames.tobytes()))
    np.testing.assert_array_equal(film.pixels, grain())
    assert film.frames == 2


def test_colours_become_luma() -> None:
    film = read_radiograph(dicom(np.array([[[255, 0, 0], [9, 9, 9]]], dtype=np.uint8), "RGB"))
    assert (film.pixels.tolist(), film.mode) == ([[76, 9]], "RGB")


def test_what_files_forget_is_filled_in() -> None:
    dataset = pydicom.dcmread(io.BytesIO(dicom(grain())))
    for name in ("SamplesPerPixel", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(dataset, name)
    np.testing.assert_array_equal(read_radiograph(saved(dataset)).pixels, grain())


@pytest.mark.parametrize(("implicit", "little"), [(True, True), (False, True), (False, False)])
def test_a_file_without_preamble_and_meta_information(implicit: bool, little: bool) -> None:
    dataset = Dataset()
    dataset.Modality = "DX"
    dataset.update(pydicom.dcmread(io.BytesIO(dicom(np.array([[0, 1000, 4095]], np.uint16), bits=12))))
    if not little:
        dataset.PixelData = np.array([[0, 1000, 4095]], ">u2").tobytes()
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=False, implicit_vr=implicit, little_endian=little)
    assert b"DICM" not in file.getvalue()
    assert read_radiograph(file.getvalue()).pixels.tolist() == [[0, 62, 255]]


@pytest.mark.parametrize(
    ("age", "years"),
    [("034Y", 34), ("006M", 0.5), ("58", 58), ("089Y", 89), ("095Y", 90), ("155", None), ("", None), ("young", None)],
)
def test_view_sex_and_age(age: str, years: float | None) -> None:
    film = read_radiograph(dicom(grain(), ViewPosition="PA", PatientSex="F", PatientAge=age))
    assert (film.view, film.sex, film.age) == ("PA", "F", years)
    bare = read_radiograph(dicom(grain()))
    assert (bare.view, bare.sex, bare.age, bare.spacing) == ("", "", None, None)
    other = read_radiograph(dicom(grain(), ViewPosition="MEYER", PatientSex="MEYER"))
    assert (other.view, other.sex) == ("", "")


def test_spacing_is_that_of_the_patient_or_else_of_the_detector() -> None:
    spacings = {"PixelSpacing": [0.139, 0.14], "ImagerPixelSpacing": [0.2, 0.2]}
    assert read_radiograph(dicom(grain(), **spacings)).spacing == 0.139
    assert read_radiograph(dicom(grain(), **spacings | {"PixelSpacing": None})).spacing == 0.2
    nonsense = dicom(grain(), **spacings).replace(b"0.139", b"wrong")
    assert read_radiograph(nonsense).spacing == 0.2
    assert read_radiograph(nonsense.replace(b"0.2", b"all")).spacing is None


def test_unreadable() -> None:
    whole = dicom(grain())
    without = Dataset()
    without.file_meta = FileMetaDataset()
    without.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    without.Rows = 40
    assert reason(saved(without)) == "DICOM without pixels"
    assert reason(dicom(grain(), Rows=None)) == "DICOM without Rows"
    assert reason(whole[:-1000]) == "truncated: 1,400 of 2,400 bytes"
    assert reason(whole[:200]).split(":")[0] in {"truncated", "corrupt", "DICOM without pixels"}
    assert reason(dicom(grain(), "PALETTE COLOR")) == "DICOM without greys: PALETTE COLOR, 8 bits"
    three_greys = np.stack([grain()] * 3, axis=2)
    assert reason(dicom(three_greys)) == "DICOM without greys: unknown, 8 bits"
    assert reason(dicom(grain(), Rows=60_000, Columns=60_000)).startswith("decompression bomb")
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = MPEG2MPML
    video = dicom(grain(), PixelData=encapsulate([b"film"]), file_meta=meta)
    assert reason(video).startswith("DICOM transfer syntax: MPEG2 Main Profile")


def test_a_deflated_file_is_refused_before_it_is_inflated() -> None:
    """300 MB of zeros, which are 300 kB in the file."""
    dataset = pydicom.dcmread(io.BytesIO(dicom(np.eye(40, dtype=np.uint8))))
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.add_new(0x00091001, "OB", bytes(300_000_000))
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset, enforce_file_format=False)
    assert len(file.getvalue()) < 1_000_000
    tracemalloc.start()
    assert reason(file.getvalue()).startswith("DICOM deflated")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
