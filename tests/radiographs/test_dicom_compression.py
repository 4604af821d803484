"""Each transfer syntax gives the greys of the same film uncompressed."""

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from pneumonia.radiographs.radiograph import UnreadableRadiograph
from pneumonia.radiographs.read import read_radiograph

from ..dicom_files import compressed, dicom

RSNA = Path(__file__).parents[2] / ".." / "shared" / "data" / "rsna" / "stage_2_train_images"


def grain(height: int = 40, width: int = 60) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)


def published(name: str) -> bytes:
    """A file of those that come with pydicom and pydicom-data."""
    path = get_testdata_file(name, download=False)
    assert path, f"pydicom-data is not installed: it holds {name}"
    return Path(str(path)).read_bytes()


def assert_same(film: bytes, other: bytes) -> None:
    np.testing.assert_array_equal(read_radiograph(film).pixels, read_radiograph(other).pixels)


def test_a_jpeg_inside_is_what_the_jpeg_is() -> None:
    jpeg = io.BytesIO()
    Image.fromarray(grain()).save(jpeg, "JPEG")
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = JPEGBaseline8Bit
    film = read_radiograph(dicom(grain(), PixelData=encapsulate([jpeg.getvalue()]), file_meta=meta))
    np.testing.assert_array_equal(film.pixels, read_radiograph(jpeg.getvalue()).pixels)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (10, np.uint16), (14, np.uint16), (16, np.uint16)])
def test_compression_without_loss_changes_nothing(syntax: str, bits: int, dtype: type) -> None:
    stored = np.random.default_rng(0).integers(0, 2**bits, (40, 60)).astype(dtype)
    plain = dicom(stored, bits=bits)
    assert_same(compressed(plain, syntax), plain)


def test_unused_bits_below_survive_rle() -> None:
    stored = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    shifted = dicom((stored << 4) + 5, bits=12, HighBit=15)
    assert_same(shifted, dicom(stored, bits=12))
    assert_same(compressed(shifted, RLELossless), shifted)


@pytest.mark.parametrize(
    ("film", "plain"),
    [
        ("MR_small_RLE.dcm", "MR_small.dcm"),
        ("MR_small_bigendian.dcm", "MR_small.dcm"),
        ("MR_small_implicit.dcm", "MR_small.dcm"),
        ("MR_small_jp2klossless.dcm", "MR_small.dcm"),
        ("MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm"),
        ("emri_small_jpeg_ls_lossless.dcm", "emri_small.dcm"),
        ("693_J2KR.dcm", "693_UNCR.dcm"),
        ("693_J2KI.dcm", "693_UNCI.dcm"),
        ("MR2_J2KI.dcm", "MR2_UNCI.dcm"),
        ("RG1_J2KR.dcm", "RG1_UNCR.dcm"),
        ("RG3_J2KI.dcm", "RG3_UNCI.dcm"),
        ("US1_J2KI.dcm", "US1_UNCI.dcm"),
        ("JPEG2000.dcm", "JPEG2000_UNC.dcm"),
        ("SC_rgb_jpeg_gdcm.dcm", "SC_rgb.dcm"),
        ("SC_rgb_jpeg_dcmtk.dcm", "SC_ybr_full_uncompressed.dcm"),
    ],
)
def test_published_films_are_the_same_however_they_are_compressed(film: str, plain: str) -> None:
    assert_same(published(film), published(plain))


@pytest.mark.parametrize(
    ("name", "mode", "size"),
    [
        ("JPGExtended.dcm", "MONOCHROME2", (1024, 256)),  # JPEG of 12 bits
        ("JPEG-LL.dcm", "MONOCHROME2", (1024, 256)),  # JPEG lossless of 16 bits
        ("JPGLosslessP14SV1_1s_1f_8b.dcm", "MONOCHROME2", (768, 1024)),
        ("color3d_jpeg_baseline.dcm", "YBR_FULL_422", (480, 640)),
        ("mlut_18.dcm", "MONOCHROME2", (512, 512)),
        ("vlut_04.dcm", "MONOCHROME2", (512, 512)),
        ("MR-SIEMENS-DICOM-WithOverlays.dcm", "MONOCHROME2", (484, 484)),
    ],
)
def test_published_films_show_something(name: str, mode: str, size: tuple[int, int]) -> None:
    film = read_radiograph(published(name))
    assert (film.mode, film.pixels.shape) == (mode, size)
    assert len(np.unique(film.pixels)) > 10


def test_jpeg_ls_with_loss() -> None:
    # Bars of 0, 255, 1023, 4095, 16383, 32767 and 65535 of 65535.
    assert set(read_radiograph(published("JPEGLSNearLossless_16.dcm")).pixels.flat) == {0, 1, 4, 16, 64, 127, 255}


def test_real_films() -> None:
    if not RSNA.is_dir():
        pytest.skip("the real RSNA films beside the repository are missing")
    for path in sorted(RSNA.glob("*.dcm"))[::20]:
        film = read_radiograph(path)
        assert film.pixels.shape == (1024, 1024)
        assert film.view in ("AP", "PA") and film.sex in ("F", "M")
        assert film.age is not None and 1 <= film.age <= 90
        assert film.spacing is not None and 0.1 < film.spacing < 0.2
        ours = film.pixels.astype(int)
        assert np.abs(ours - pydicom.dcmread(path).pixel_array).max() <= 1  # by another decoder


@pytest.mark.parametrize("name", ["RG1_J2KR.dcm", "JPEG-LL.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_RLE.dcm"])
def test_half_a_compressed_film_is_none(name: str) -> None:
    data = published(name)
    with pytest.raises(UnreadableRadiograph, match=r"truncated|corrupt|DICOM without pixels"):
        read_radiograph(data[: len(data) // 2])
