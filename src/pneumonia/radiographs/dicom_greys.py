"""A DICOM file's stored values as the greys that a viewer shows (PS3.3 C.11: modality LUT, then VOI LUT or window)."""

from typing import TYPE_CHECKING, Any, NamedTuple

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
    slope, intercept = number(dataset, "RescaleSlope") or 1, number(dataset, "RescaleIntercept") or 0
    if table := _table(dataset, "ModalityLUTSequence"):
        values, (black, white) = table.look_up(values), table.ends
    elif (slope, intercept) != (1, 0):
        values = values.astype(np.float32) * np.float32(slope) + np.float32(intercept)
        black, white = sorted([black * slope + intercept, white * slope + intercept])

    if table := _table(dataset, "VOILUTSequence"):
        values, (black, white) = table.look_up(values), table.ends
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
    low, high = sorted([value, value if limit is None else limit])
    type_ = np.iinfo(stored.dtype)
    if (high < type_.min or low > type_.max) and type_.bits == 16:  # written with a sign, or without, against its type
        low, high = (end + 2**16 if high < type_.min else end - 2**16 for end in (low, high))
    padding = (stored >= max(low, type_.min)) & (stored <= min(high, type_.max))
    return padding if padding.any() and not padding.all() else None


def _stored_range(dataset: "Dataset", stored: np.ndarray, padding: np.ndarray | None) -> tuple[float, float]:
    """Black and white of the bits stored where these tell them and hold the film, else those of the film itself."""
    bits, signed = dataset.BitsStored, dataset.PixelRepresentation == 1
    if not signed and bits < dataset.BitsAllocated and stored.max() < 2**bits:
        return 0, 2**bits - 1
    black, white = range_in_use(stored, None if padding is None else ~padding)
    if signed and white - black == 2**bits - 1:  # the film takes all of them
        return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return black, white


def _window(dataset: "Dataset") -> tuple[float, float, str] | None:
    """Centre, width and function of the first window that is one; None without any, or with placeholders alone."""
    function = str(dataset.get("VOILUTFunction"))  # anything but the two below, or nothing, is LINEAR
    least = 0 if function in ("LINEAR_EXACT", "SIGMOID") else 1
    for centre, width in zip(numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth"), strict=False):
        if centre is not None and width is not None and width > least:
            return centre, width, function
    return None


class _Table(NamedTuple):
    """A look-up table: what is shown for each value from `first` on, uint16 (N,), and its black and white."""

    first: int
    shown: np.ndarray
    ends: tuple[int, int]

    def look_up(self, values: np.ndarray) -> np.ndarray:
        """What is shown for `values`; what lies beyond the table's ends takes the first or the last."""
        first = self.first
        if first >= 2**15 and values.min() < 0:
            first -= 2**16  # a signed number that was written as an unsigned one
        return self.shown[np.clip(np.rint(values).astype(np.int32) - first, 0, len(self.shown) - 1)]


def _table(dataset: "Dataset", name: str) -> _Table | None:
    """The first item of a LUT sequence (PS3.3 C.11.1.1); None without one that is whole.

    Own code, since pydicom 3.0 gives wrong greys for 8-bit tables of more than 256 entries, and none for 12-bit ones.
    """
    try:
        lut = dataset.get(name)[0]
        entries, first, bits = map(int, lut.LUTDescriptor)
        data: Any = lut.LUTData
    except Exception:  # pydicom decodes an element when it is asked for, and on broken bytes raises anything
        return None
    entries = entries or 2**16  # 0 means 2**16, which does not fit into the descriptor
    if isinstance(data, bytes):  # 8 bits an entry, or 16 even in tables of fewer bits
        little = lut.original_encoding[1] is not False
        type_ = np.uint8 if len(data) < 2 * entries else "<u2" if little else ">u2"
        data = np.frombuffer(data[: len(data) // 2 * 2], type_)
    shown = np.atleast_1d(np.asarray(data))[:entries]
    if len(shown) < entries or shown.dtype.kind not in "iu" or shown.min() < 0 or shown.max() >= 2**16:
        return None
    shown = shown.astype(np.uint16)
    # All 16 bits are declared where the writer did not know better, and other numbers may be wrong.
    declared = 2**bits - 1 if 8 <= bits < 16 else 0
    return _Table(first, shown, (0, declared) if shown.max() <= declared else range_in_use(shown))
