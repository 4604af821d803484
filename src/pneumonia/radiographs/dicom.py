"""One DICOM file as one greyscale array, as a viewer shows it (PS3.3 C.11: modality LUT, then VOI LUT or window)."""

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from pneumonia.radiographs.deidentification import DEFLATED, hush_pydicom
from pneumonia.radiographs.radiograph import (
    Radiograph,
    UnreadableRadiograph,
    refuse_bomb,
    saturation,
    to_eight_bits,
    white_in_use,
)

if TYPE_CHECKING:
    from pydicom import Dataset

MAGIC = b"DICM"
BARE_STARTS = (b"\x02\x00", b"\x08\x00", b"\x00\x08")
"""The starts of a file without its preamble, 128 bytes and `DICM`: the group of its first element."""

TAGS = [
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData", "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths", "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept", "VOILUTSequence",
    "VOILUTFunction", "WindowCenter", "WindowWidth", "ViewPosition", "PatientSex", "PatientAge", "PixelSpacing",
    "ImagerPixelSpacing",
]  # fmt: skip
"""All elements that are read from a file. None names the patient, so no name can turn up anywhere."""

COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
VIEWS = ("AP", "PA", "LL", "RL", "LLD", "RLD", "LLO", "RLO")
SEXES = ("F", "M", "O")
"""Only views and sexes that DICOM defines are handed on: an element may hold anything, even a name."""

YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
"""The years in each unit of a DICOM age."""
OLDEST = 90
"""All who are older are one group, since their age may name them: HIPAA's safe harbour (45 CFR 164.514(b)(2))."""
POSSIBLE = 120
"""Years; a greater age is taken for a typing mistake, and the age is unknown."""


def is_dicom(data: bytes) -> bool:
    """Whether `data`, a whole file, starts as DICOM does."""
    return data[128:132] == MAGIC or data[:2] in BARE_STARTS


def read_dicom(data: bytes) -> Radiograph:
    """Decode the first frame of a file, given as bytes; overlays are not drawn.

    Raises:
        UnreadableRadiograph: no pixels, neither grey nor RGB, a transfer syntax that is not read, corrupt. The reason
            quotes nothing that the file says of the patient.
    """
    from pydicom import dcmread  # here, since it takes time and most data sets have no DICOM

    hush_pydicom()
    if DEFLATED in data:  # a megabyte may be gigabytes, which are inflated before anything can be looked at
        raise UnreadableRadiograph("DICOM deflated: this transfer syntax is not read; save it uncompressed")
    try:
        dataset = dcmread(io.BytesIO(data), force=True, specific_tags=TAGS)
        _complete(dataset)
        return _film(dataset, _stored_greys(dataset), len(data))
    except (UnreadableRadiograph, MemoryError):
        raise
    except Exception as error:  # on broken bytes pydicom raises anything; its messages quote what they stumbled on
        raise UnreadableRadiograph(f"corrupt: DICOM that cannot be decoded ({type(error).__name__})") from None


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


def _stored_greys(dataset: "Dataset") -> np.ndarray:
    """The first frame as it is stored, (height, width), or (height, width, 3) with YBR already turned to RGB.

    Unused bits, where old scanners kept overlays, are gone.
    """
    from pydicom.pixels.utils import get_expected_length, pixel_array
    from pydicom.uid import JPEGBaseline8Bit, RLELossless

    refuse_bomb(dataset.Columns, dataset.Rows)
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated and len(dataset.PixelData) < get_expected_length(dataset):
        raise UnreadableRadiograph(f"truncated: {len(dataset.PixelData):,} of {get_expected_length(dataset):,} bytes")
    # JPEG encoders drop the unused bits below those of a grey; RLE and files without compression may keep them.
    kept = syntax == RLELossless or not syntax.is_encapsulated
    unused_below = max(0, dataset.HighBit + 1 - dataset.BitsStored) if kept else 0
    # Pillow's decoder is the fastest by far for what it can do; for the rest pydicom finds one.
    plugin = "pillow" if syntax == JPEGBaseline8Bit else ""
    try:
        greys = pixel_array(dataset, index=0, decoding_plugin=plugin, bits_stored=dataset.BitsStored + unused_below)
    except NotImplementedError:
        name = syntax.name if syntax.is_transfer_syntax else "unknown"
        raise UnreadableRadiograph(f"DICOM transfer syntax: {name} is not read") from None
    return greys >> unused_below if unused_below else greys


def _film(dataset: "Dataset", stored: np.ndarray, size: int) -> Radiograph:
    mode, colour = str(dataset.PhotometricInterpretation), 0.0
    if mode in ("MONOCHROME1", "MONOCHROME2") and stored.ndim == 2:
        pixels = _shown(dataset, stored)
        if mode == "MONOCHROME1":
            pixels = 255 - pixels
    elif mode in COLOURS and stored.dtype == np.uint8:
        picture = Image.fromarray(stored)
        pixels, colour = np.asarray(picture.convert("L")), saturation(picture)
    else:
        kind = mode if mode in (*COLOURS, "PALETTE COLOR") else "unknown"
        raise UnreadableRadiograph(f"DICOM without greys: {kind}, {dataset.BitsStored} bits")
    view, sex = str(dataset.get("ViewPosition")), str(dataset.get("PatientSex"))
    return Radiograph(
        pixels,
        mode,
        "DICOM",
        None,
        size,
        colour,
        view if view in VIEWS else "",
        sex if sex in SEXES else "",
        _years(str(dataset.get("PatientAge"))),
        _spacing(dataset),
        int(dataset.get("NumberOfFrames") or 1),
    )


def _shown(dataset: "Dataset", stored: np.ndarray) -> np.ndarray:
    """Greys, (height, width) of any type, as uint8, with black and white of the LUTs, window, or bits stored."""
    values: np.ndarray = stored
    black, white = _stored_range(dataset, stored)
    slope, intercept = _number(dataset, "RescaleSlope"), _number(dataset, "RescaleIntercept") or 0
    if tables := dataset.get("ModalityLUTSequence"):
        values, black, white = _looked_up(values, tables[0])
    elif slope:
        values = values.astype(np.float32) * np.float32(slope) + np.float32(intercept)
        black, white = sorted([black * slope + intercept, white * slope + intercept])

    width, centre = _number(dataset, "WindowWidth"), _number(dataset, "WindowCenter")
    function = str(dataset.get("VOILUTFunction"))
    exact = function in ("LINEAR_EXACT", "SIGMOID")  # anything else, or nothing, is LINEAR
    if tables := dataset.get("VOILUTSequence"):
        values, black, white = _looked_up(values, tables[0])
    elif width is None or centre is None or width <= (0 if exact else 1):
        pass  # no window, or a placeholder for one
    elif function == "SIGMOID":  # PS3.3 C.11.2.1.3.1
        values = 1 / (1 + np.exp(-4 * (values.astype(np.float32) - centre) / width))
        black, white = 0, 1
    else:  # PS3.3 C.11.2.1.2.1 and C.11.2.1.3.2
        black, white = centre - width / 2, centre + width / 2 - (0 if exact else 1)
    return to_eight_bits(values, black, white)


def _stored_range(dataset: "Dataset", stored: np.ndarray) -> tuple[float, float]:
    """Black and white of stored values: the range of the bits stored, not the one that the film happens to use.

    A file that declares all bits of a pixel stored often does not know better: its white is then `white_in_use`.
    """
    bits, signed = dataset.BitsStored, dataset.PixelRepresentation == 1
    if bits == dataset.BitsAllocated <= 16 and stored.min() >= 0:
        return 0, white_in_use(stored)
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def _looked_up(values: np.ndarray, lut: "Dataset") -> tuple[np.ndarray, float, float]:
    """`values` looked up in an item of a LUT sequence (PS3.3 C.11.1.1), and the item's black and white.

    Own code, since pydicom 3.0 gives wrong greys for 8-bit tables of more than 256 entries, and none for 12-bit ones.
    """
    entries, first, bits = lut.LUTDescriptor
    entries = entries or 2**16  # 0 means 2**16, which does not fit into the descriptor
    table: Any = lut.LUTData
    if isinstance(table, bytes):  # 8 bits an entry, or 16 even in tables of fewer bits
        little = lut.original_encoding[1] is not False
        table = np.frombuffer(table, np.uint8 if len(table) < 2 * entries else "<u2" if little else ">u2")
    table = np.asarray(table)[:entries]
    if first >= 2**15 and values.min() < 0:
        first -= 2**16  # a signed number that was written as an unsigned one
    rows = np.clip(np.rint(values).astype(np.int32) - first, 0, len(table) - 1)
    return table[rows], 0, 2**bits - 1


def _number(dataset: "Dataset", name: str) -> float | None:
    """The first value of an element, None where it is missing, empty or not finite."""
    value = dataset.get(name)
    first = np.ravel([] if value in (None, "") else value)[:1].astype(float)
    return float(first[0]) if np.isfinite(first).any() else None


def _spacing(dataset: "Dataset") -> float | None:
    try:
        return _number(dataset, "PixelSpacing") or _number(dataset, "ImagerPixelSpacing")
    except ValueError:  # no number: the film can be seen all the same
        return None


def _years(age: str) -> float | None:
    """Years from DICOM's age string, as `034Y` or `006M`, or from bare years, as in RSNA; None for anything else."""
    number, unit = (age, "Y") if age.isdecimal() else (age[:-1], age[-1:])
    if not number.isdecimal() or unit not in YEARS:
        return None
    years = int(number) * YEARS[unit]
    return min(years, OLDEST) if years <= POSSIBLE else None
