"""What is wrong beside the pixels costs no film; a picture in it is not taken for one."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pneumonia.radiographs.radiograph import UnreadableRadiograph
from pneumonia.radiographs.read import read_radiograph

from ..dicom_files import dicom
from ..png_files import chunk


def film() -> np.ndarray:
    return np.tile(np.arange(0, 256, 4, dtype=np.uint8), (48, 1))


def encoded(form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(film()).save(file, form, **options)
    return file.getvalue()


def oriented(orientation: object, kind: int = 3, entries: int = 1) -> bytes:
    """EXIF with an orientation of a type, 3 for 16 bits or 2 for text."""
    value = orientation if isinstance(orientation, bytes) else struct.pack(">HH", orientation, 0)
    return b"MM\0\x2a\0\0\0\x08" + struct.pack(">HHHI", entries, 0x0112, kind, 1) + value + b"\0\0\0\0"


BROKEN_EXIF = {
    "nothing": b"",
    "one byte": b"M",
    "zeros": bytes(40),
    "no header": b"\0\x08\0\x02\x01\x12\0\x03",
    "cut off": oriented(6)[:14],
    "too many entries": oriented(6, entries=65535)[:20],
    "text": oriented(b"abcd", kind=2),
    "of an unknown type": oriented(3, kind=99),
    "out of range": oriented(77),
    "zero": oriented(0),
    "far away": b"MM\0\x2a\xff\xff\xff\xff",
    "a circle": b"MM\0\x2a\0\0\0\x08" + struct.pack(">HHHII", 1, 0x8769, 4, 1, 8) + b"\0\0\0\x08",
    "random": np.random.default_rng(0).bytes(500),
}


@pytest.mark.parametrize("name", BROKEN_EXIF)
def test_an_orientation_that_cannot_be_read_is_none(name: str) -> None:
    exif = BROKEN_EXIF[name]
    jpeg = encoded("JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", 8 + len(exif)) + b"Exif\0\0" + exif
    np.testing.assert_array_equal(read_radiograph(jpeg[:2] + segment + jpeg[2:]).pixels, read_radiograph(jpeg).pixels)
    png = encoded("PNG")
    np.testing.assert_array_equal(read_radiograph(png[:33] + chunk(b"eXIf", exif) + png[33:]).pixels, film())


def test_one_that_can_be_read_counts() -> None:
    png = encoded("PNG")
    turned = read_radiograph(png[:33] + chunk(b"eXIf", oriented(6)) + png[33:]).pixels
    np.testing.assert_array_equal(turned, np.rot90(film(), -1))


def damaged_checksum(kind: bytes, body: bytes) -> bytes:
    return chunk(kind, body)[:-1] + b"?"


PNG_CHUNKS = {
    "profile that is none": chunk(b"iCCP", b"sRGB\0\0not compressed"),
    "profile without a name": chunk(b"iCCP", b"x" * 200),
    "text that cannot be inflated": chunk(b"zTXt", b"Comment\0\0\xff\xff\xff"),
    "text without an end": chunk(b"tEXt", b"Comment"),
    "text of a megabyte": chunk(b"iTXt", b"Comment\0\0\0\0\0" + b"x" * 1_000_000),
    "wrong checksum": damaged_checksum(b"tEXt", b"Comment\0film"),
    "wrong checksum of the EXIF": damaged_checksum(b"eXIf", oriented(6)),
    "colours of no size": chunk(b"gAMA", b""),
    "chromaticities cut off": chunk(b"cHRM", b"\0\0"),
    "size that is none": chunk(b"pHYs", b"\xff"),
    "a time that is none": chunk(b"tIME", b"\xff" * 7),
    "an animation that is none": chunk(b"acTL", b"\xff" * 8) + chunk(b"fcTL", b"\0\0"),
    "a length that leads out of the file": struct.pack(">I", 2**31 - 1) + b"tEXtComment\0film",
    "a length that leads into the pixels": struct.pack(">I", 60) + b"tEXtComment\0film",
    "a private chunk": chunk(b"vnDr", b"\0" * 99),
}


@pytest.mark.parametrize("name", PNG_CHUNKS)
@pytest.mark.parametrize("where", ["before", "behind"])
def test_what_stands_beside_the_pixels_of_a_png(name: str, where: str) -> None:
    png = encoded("PNG")
    at = 33 if where == "before" else len(png) - 12
    np.testing.assert_array_equal(read_radiograph(png[:at] + PNG_CHUNKS[name] + png[at:]).pixels, film())


def segment(marker: int, body: bytes, length: int | None = None) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2 if length is None else length) + body


JPEG_SEGMENTS = {
    "profile that is none": segment(0xE2, b"ICC_PROFILE\0\xff\xff"),
    "pictures that are not there": segment(0xE2, b"MPF\0MM\0\x2a\0\0\0\x08\xff\xff" + bytes(8)),
    "Photoshop's, cut off": segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\xff\xff\xff\xff"),
    "XMP that is no XML": segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta"),
    "a short JFIF": segment(0xE0, b"JFIF\0"),
    "a short Adobe": segment(0xEE, b"Adobe"),
    "an empty comment": segment(0xFE, b""),
    "a comment that is too long": segment(0xFE, b"film", length=60_000),
    "a profile that is too short": segment(0xE2, b"ICC_PROFILE\0" + b"x" * 40, length=20),
    "fill bytes": b"\xff" * 9 + segment(0xFE, b"film"),
}


@pytest.mark.parametrize("name", JPEG_SEGMENTS)
def test_what_stands_before_the_pixels_of_a_jpeg(name: str) -> None:
    jpeg = encoded("JPEG")
    whole = jpeg[:2] + JPEG_SEGMENTS[name] + jpeg[2:]
    np.testing.assert_array_equal(read_radiograph(whole).pixels, read_radiograph(jpeg).pixels)


def test_what_stands_behind_the_pixels_of_a_jpeg() -> None:
    jpeg = encoded("JPEG")
    small = io.BytesIO()
    Image.new("L", (16, 16)).save(small, "JPEG", progressive=True)
    for tail in (b"\0" * 100, b"tail", small.getvalue() * 30):
        np.testing.assert_array_equal(read_radiograph(jpeg + tail).pixels, read_radiograph(jpeg).pixels)


def test_a_thumbnail_is_not_taken_for_the_film() -> None:
    jpeg, small = encoded("JPEG"), io.BytesIO()
    Image.new("L", (16, 16)).save(small, "JPEG")
    body = b"Exif\0\0" + b"MM\0\x2a\0\0\0\x08" + small.getvalue()
    assert read_radiograph(jpeg[:2] + segment(0xE1, body) + jpeg[2:]).pixels.shape == film().shape
    for length in (2, 9, len(body) - 10, len(body) + 6, 60_000):
        read = read_radiograph(jpeg[:2] + segment(0xE1, body, length=length) + jpeg[2:])
        np.testing.assert_array_equal(read.pixels, read_radiograph(jpeg).pixels)


@pytest.mark.parametrize("part", ["whole", "its pixels"])
@pytest.mark.parametrize("wrong", ["checksum", "length"])
def test_a_thumbnail_in_a_chunk_is_not_taken_for_the_film(part: str, wrong: str) -> None:
    png, small = encoded("PNG"), io.BytesIO()
    Image.fromarray(255 - film()).save(small, "PNG")
    thumbnail = small.getvalue() if part == "whole" else small.getvalue()[33:-12]
    text = bytearray(chunk(b"tEXt", b"Thumbnail\0" + thumbnail))
    if wrong == "checksum":
        text[-1] ^= 1
    else:
        struct.pack_into(">I", text, 0, 5)
    np.testing.assert_array_equal(read_radiograph(png[:33] + bytes(text) + png[33:]).pixels, film())


def test_a_second_header_is_refused() -> None:
    """The first is looked at, the last is what a decoder believes: 169 million pixels."""
    png = encoded("PNG")
    second = chunk(b"IHDR", struct.pack(">IIBBBBB", 13_000, 13_000, 8, 0, 0, 0, 0))
    with pytest.raises(UnreadableRadiograph, match="without one header"):
        read_radiograph(png[:33] + second + png[33:])


def test_the_palette_of_a_png_that_needs_none_does_not_matter() -> None:
    file = io.BytesIO()
    Image.fromarray(film()).convert("RGB").save(file, "PNG")
    png = file.getvalue()
    damaged = damaged_checksum(b"PLTE", bytes(range(6)))
    np.testing.assert_array_equal(read_radiograph(png[:33] + damaged + png[33:]).pixels, film())


def test_a_dicom_may_quote_the_transfer_syntax_that_is_not_read() -> None:
    data = dicom(film(), ImageComments="x" * 5000 + " was 1.2.840.10008.1.2.1.99")
    np.testing.assert_array_equal(read_radiograph(data).pixels, film())


@pytest.mark.parametrize("name", ["NumberOfFrames", "PixelSpacing", "PatientAge", "ViewPosition", "PatientSex"])
def test_what_a_dicom_says_beside_its_pixels(name: str) -> None:
    valid = {"NumberOfFrames": "1", "PixelSpacing": ["1", "1"], "PatientAge": "034Y"}
    data = dicom(film(), **{name: valid.get(name, "PA")})
    at = data.find(bytes(dicom_tag(name)))
    for wrong in (b"\xff\xfe", b"x,"):
        broken = data[: at + 8] + wrong + data[at + 10 :]
        np.testing.assert_array_equal(read_radiograph(broken).pixels, film())


def dicom_tag(name: str) -> bytes:
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(name) or 0
    return struct.pack("<HH", tag >> 16, tag & 0xFFFF)
