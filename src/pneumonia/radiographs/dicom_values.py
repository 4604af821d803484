"""Values of DICOM elements as files really have them: what cannot be read is missing, and costs no film."""

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom import Dataset


def text(dataset: "Dataset", name: str) -> str:
    """The element's value in words, empty where it is missing or cannot be read."""
    try:
        value = dataset.get(name)
    except Exception:  # pydicom decodes an element when it is asked for, and on broken bytes raises anything
        return ""
    return "" if value is None else str(value).strip()


def numbers(dataset: "Dataset", name: str) -> list[float | None]:
    """The element's values, None for one that is no finite number.

    A decimal comma, as some devices write, is read. A comma before three digits may mean thousands, so it is not.
    """
    try:
        value = dataset.get(name)
    except Exception:  # as above
        return []
    values = [] if value is None else [value] if isinstance(value, str | int | float) else list(value)
    return [_number(str(each)) for each in values]


def number(dataset: "Dataset", name: str) -> float | None:
    """The first of the element's `numbers`."""
    return next(iter(numbers(dataset, name)), None)


def _number(written: str) -> float | None:
    if re.fullmatch(r"\s*[+-]?\d{1,3}(,\d{3})+(\.\d*)?\s*", written):
        return None
    try:
        value = float(written.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None
