"""Whether a JPEG is red, green and blue, or luma and chroma, where it and the file around it contradict each other."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from pneumonia.radiographs.read import read_radiograph

from ..dicom_files import dicom


def film() -> np.ndarray:
    """A film, uint8 (48, 64), from black to white."""
    return np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))


def jpeg_in_dicom(jpeg: bytes, photometric: str) -> np.ndarray:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = JPEGBaseline8Bit
    colours = np.zeros((48, 64, 3), np.uint8)
    return read_radiograph(dicom(colours, photometric, PixelData=encapsulate([jpeg]), file_meta=meta)).pixels


def encoded(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=98, **options)
    return file.getvalue()


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL", "YBR_FULL_422"])
@pytest.mark.parametrize("stream", ["luma and chroma", "subsampled", "red, green, blue", "nothing told", "untold RGB"])
def test_what_a_jpeg_says_of_its_colours_counts_and_not_the_tag(photometric: str, stream: str) -> None:
    image = Image.fromarray(film()).convert("RGB")
    match stream:
        case "luma and chroma":
            jpeg = encoded(image, subsampling=0)
        case "subsampled":
            jpeg = encoded(image, subsampling=2)
        case "red, green, blue":
            jpeg = encoded(image, keep_rgb=True)
        case "nothing told":
            jpeg = without(encoded(image, subsampling=0), 0xE0)
        case _:
            if photometric != "RGB":
                pytest.skip("nothing tells that it is RGB")
            jpeg = without(encoded(image, keep_rgb=True), 0xEE, named=b"\1\2\3")
    assert np.abs(jpeg_in_dicom(jpeg, photometric).astype(int) - film()).max() <= 3


def without(jpeg: bytes, marker: int, named: bytes = b"") -> bytes:
    """The JPEG without the segment that tells its colours, and with other names for its components."""
    start = jpeg.find(bytes([0xFF, marker]))
    if start >= 0:
        length = int.from_bytes(jpeg[start + 2 : start + 4])
        jpeg = jpeg[:start] + jpeg[start + 2 + length :]
    if named:
        frame, scan = jpeg.find(b"\xff\xc0"), jpeg.find(b"\xff\xda")
        changed = bytearray(jpeg)
        for number, name in enumerate(named):
            changed[frame + 10 + 3 * number] = name
            changed[scan + 5 + 2 * number] = name
        jpeg = bytes(changed)
    return jpeg


@pytest.mark.parametrize("names", [b"RGB", b"\1\2\3"])
@pytest.mark.parametrize("is_rgb", [True, False])
def test_a_jpeg_that_says_both_of_its_colours_is_what_shows_fewer(names: bytes, is_rgb: bool) -> None:
    """JFIF, which is luma and chroma, and Adobe's segment, which says that nothing was transformed."""
    image = Image.fromarray(film()).convert("RGB")
    jpeg = encoded(image, keep_rgb=True) if is_rgb else encoded(image, subsampling=0)
    adobe = b"\xff\xee\0\x0eAdobe\0d\0\0\0\0\0"
    jfif = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
    bare = without(without(jpeg, 0xEE), 0xE0, named=names if is_rgb else b"\1\2\3")
    both = bare[:2] + jfif + adobe + bare[2:]
    assert np.abs(read_radiograph(both).pixels.astype(int) - film()).max() <= 3
    assert np.abs(jpeg_in_dicom(both, "RGB").astype(int) - film()).max() <= 3
