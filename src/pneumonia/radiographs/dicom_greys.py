"""A DICOM file's stored values as the greys that a viewer shows (PS3.3 C.11: modality LUT, then VOI LUT or window)."""

from typing import TYPE_CHECKING, Any

import numpy as np

from pneumonia.radiographs.dicom_values import number, numbers
from pneumonia.radiographs.greys import range_in_use, to_eight_bits

if TYPE_CHECKING:
    from pydicom import Dataset


def shown_greys(dataset: "Dataset", stored: np.ndarray) -> np.ndarray:
    """Values, (height, width) of any integer type, as uint8; 0 is black, also in a `MONOCHROME1`, and in padding.

    `greys` tells the rule for black and white.
    """
    padding = _padding(dataset, stored)
    values: np.ndarray = stored
    black, white = _stored_range(dataset, stored, padding)
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept") or 0
    if tables := dataset.get("ModalityLUTSequence"):
        values, black, white = _looked_up(values, tables[0])
    elif slope:
        values = values.astype(np.float32) * np.float32(slope) + np.float32(intercept)
        black, white = sorted([black * slope + intercept, white * slope + intercept])

    if tables := dataset.get("VOILUTSequence"):
        values, black, white = _looked_up(values, tables[0])
    elif window := _window(dataset):
        centre, width, function = window
        if function == "SIGMOID":  # PS3.3 C.11.2.1.3.1
            values = 1 / (1 + np.exp(-4 * (values.astype(np.float32) - centre) / width))
            black, white = 0, 1
        else:  # PS3.3 C.11.2.1.2.1 and C.11.2.1.3.2
            exact = function == "LINEAR_EXACT"
            black, white = centre - width / 2, centre + width / 2 - (0 if exact else 1)
    shown = to_eight_bits(values, black, white)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        shown = 255 - shown
    if padding is not None:
        shown[padding] = 0
    return shown


def _padding(dataset: "Dataset", stored: np.ndarray) -> np.ndarray | None:
    """Where there is no film, bool (height, width), None where there is film everywhere (PS3.3 C.7.5.1.1.2)."""
    value, limit = number(dataset, "PixelPaddingValue"), number(dataset, "PixelPaddingRangeLimit")
    if value is None:
        return None
    # In the samples' own type, since either number may have been written with a sign or without.
    ends = np.array([value, value if limit is None else limit]).astype(np.int64).astype(stored.dtype)
    padding = (stored >= ends.min()) & (stored <= ends.max())
    return padding if padding.any() else None


def _stored_range(dataset: "Dataset", stored: np.ndarray, padding: np.ndarray | None) -> tuple[float, float]:
    bits, signed = dataset.BitsStored, dataset.PixelRepresentation == 1
    if bits < dataset.BitsAllocated and not signed:
        return 0, 2**bits - 1
    return range_in_use(stored, None if padding is None else ~padding)


def _window(dataset: "Dataset") -> tuple[float, float, str] | None:
    """Centre, width and function of the first window that is one; None without any, or with placeholders alone."""
    function = str(dataset.get("VOILUTFunction"))  # anything but the two below, or nothing, is LINEAR
    least = 0 if function in ("LINEAR_EXACT", "SIGMOID") else 1
    for centre, width in zip(numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth"), strict=False):
        if centre is not None and width is not None and width > least:
            return centre, width, function
    return None


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
