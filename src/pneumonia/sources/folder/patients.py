"""Whose a film is."""

import re
from pathlib import Path

from pneumonia.radiographs.deidentification import patient_hash
from pneumonia.radiographs.film_files import is_dicom_name


def patient_of(path: Path, name: str, copy: str, pattern: str | None, told: str = "") -> str:
    """The patient of the film `name` below `path`: the one that is `told`, or that the `pattern` finds in what the
    `copy` is called, or that a DICOM file names; else the film alone.
    """
    found = matched(pattern, copy) if pattern else told
    return found or told or (patient_hash(path / name) if is_dicom_name(name) else "") or copy


def matched(pattern: str, text: str) -> str:
    """What the `pattern` finds in `text`, its first group where it has any; empty where it finds nothing."""
    found = re.search(pattern, text)
    return (found[1] if found.re.groups else found[0]) or "" if found else ""
