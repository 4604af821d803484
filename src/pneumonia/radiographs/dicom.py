"""One DICOM file as one greyscale array, as a viewer shows it, and a few of its elements."""

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pneumonia.radiographs.dicom_greys import shown_greys
from pneumonia.radiographs.dicom_pixels import stored_frame
from pneumonia.radiographs.dicom_values import number, text
from pneumonia.radiographs.greys import greys_of
from pneumonia.radiographs.person import SEXES, VIEWS, years
from pneumonia.radiographs.radiograph import Radiograph, UnreadableRadiograph, saturation

if TYPE_CHECKING:
    from pydicom import Dataset

MAGIC = b"DICM"
BARE_STARTS = (b"\x02\x00", b"\x08\x00", b"\x00\x08")
"""The starts of a file without its preamble, 128 bytes and `DICM`: the group of its first element."""

TAGS = [
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData", "PixelPaddingValue",
    "PixelPaddingRangeLimit", "ExtendedOffsetTable", "ExtendedOffsetTableLengths", "ModalityLUTSequence",
    "RescaleSlope", "RescaleIntercept", "VOILUTSequence", "VOILUTFunction", "WindowCenter", "WindowWidth",
    "ViewPosition", "PatientSex", "PatientAge", "PixelSpacing", "ImagerPixelSpacing",
]  # fmt: skip
"""All elements that are read from a file. None names the patient, so no name can turn up anywhere."""

COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")

DEFLATED = b"1.2.840.10008.1.2.1.99"
"""The transfer syntax whose whole data set is compressed: a megabyte of it may be gigabytes, so it is not read."""

META = 4096
"""The bytes at the start of a file that hold its meta information, which names the transfer syntax."""

MAX_ITEMS = 10_000
"""Items of sequences and fragments of a frame. Each takes 8 bytes of a file, and far longer to be parsed."""
ITEM_TAGS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")


def is_dicom(data: bytes) -> bool:
    """Whether `data`, a whole file, starts as DICOM does."""
    return data[128:132] == MAGIC or data[:2] in BARE_STARTS


def read_dicom(data: bytes) -> Radiograph:
    """Decode the first frame of a file, given as bytes; overlays are not drawn.

    Raises:
        UnreadableRadiograph: no pixels, neither grey nor RGB, a transfer syntax that is not read, corrupt. The reason
            quotes nothing that the file says of the patient.
    """
    try:
        dataset = _parse(data, TAGS)
        _complete(dataset)
        return _film(dataset, stored_frame(dataset), len(data))
    except (UnreadableRadiograph, MemoryError):
        raise
    except Exception as error:  # on broken bytes pydicom raises anything; its messages quote what they stumbled on
        raise UnreadableRadiograph(f"corrupt: DICOM that cannot be decoded ({type(error).__name__})") from None


def read_elements(data: bytes, names: list[str]) -> dict[str, str]:
    """Those of the named elements that the file has and that can be read, as text; the pixels stay undecoded.

    Raises:
        UnreadableRadiograph: a file that cannot be parsed.
    """
    try:
        dataset = _parse(data, names)
    except (UnreadableRadiograph, MemoryError):
        raise
    except Exception as error:  # as above
        raise UnreadableRadiograph(f"corrupt: DICOM that cannot be parsed ({type(error).__name__})") from None
    return {name: value for name in names if (value := text(dataset, name))}


def _parse(data: bytes, names: list[str]) -> "Dataset":
    from pydicom import dcmread  # here, since it takes time and most data sets have no DICOM

    if DEFLATED in data[:META]:  # it would be inflated before anything can be looked at
        raise UnreadableRadiograph("DICOM deflated: this transfer syntax is not read; save it uncompressed")
    if max(data.count(tag) for tag in ITEM_TAGS) > MAX_ITEMS:
        raise UnreadableRadiograph(f"decompression bomb: a DICOM of more than {MAX_ITEMS:,} items or fragments")
    return dcmread(io.BytesIO(data), force=True, specific_tags=names)


def _complete(dataset: "Dataset") -> None:
    """Fill in what the standard requires and files lack, where it can be only one thing."""
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if not dataset.file_meta.get("TransferSyntaxUID"):
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    for name in ("PixelData", "Rows", "Columns", "BitsAllocated", "PhotometricInterpretation"):
        if not dataset.get(name):
            raise UnreadableRadiograph(f"DICOM without {'pixels' if name == 'PixelData' else name}")
    bits = dataset.get("BitsStored") or dataset.BitsAllocated
    if not 8 <= bits <= 16:
        raise UnreadableRadiograph(f"DICOM of {bits} bits a pixel: films have 8 to 16")
    required = {"SamplesPerPixel": 1, "PixelRepresentation": 0, "BitsStored": bits, "HighBit": bits - 1}
    for name, value in required.items():
        if dataset.get(name) is None:
            setattr(dataset, name, value)
    dataset.NumberOfFrames = max(1, int(number(dataset, "NumberOfFrames") or 1))


def _film(dataset: "Dataset", stored: np.ndarray | Image.Image, size: int) -> Radiograph:
    mode, colour = str(dataset.PhotometricInterpretation), 0.0
    if isinstance(stored, Image.Image) and mode in COLOURS:
        pixels, colour = np.asarray(stored.convert("L")), saturation(stored)
    elif isinstance(stored, np.ndarray) and stored.ndim == 3 and mode in COLOURS:
        greys, colour = greys_of(stored)
        pixels = shown_greys(dataset, greys)
    elif isinstance(stored, np.ndarray) and stored.ndim == 2 and mode in ("MONOCHROME1", "MONOCHROME2"):
        pixels = shown_greys(dataset, stored)
    else:
        kind = mode if mode in (*COLOURS, "PALETTE COLOR") else "unknown"
        raise UnreadableRadiograph(f"DICOM without greys: {kind}, {dataset.BitsStored} bits")
    view, sex = text(dataset, "ViewPosition"), text(dataset, "PatientSex")
    return Radiograph(
        pixels,
        mode,
        "DICOM",
        None,
        size,
        colour,
        view if view in VIEWS else "",
        sex if sex in SEXES else "",
        years(text(dataset, "PatientAge")),
        number(dataset, "PixelSpacing") or number(dataset, "ImagerPixelSpacing"),
        int(dataset.NumberOfFrames),
    )
