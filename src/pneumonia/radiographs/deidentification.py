"""What names a person stays in the file: outside of it a patient is a salted hash.

The hash is HMAC-SHA256 (RFC 2104) of DICOM's PatientID, keyed by a salt that only the owner of the films has: patient
numbers are few enough to be tried one by one, so a hash without a secret would hide nothing.
"""

import hashlib
import hmac
import logging
import os
import re
import secrets
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from pneumonia.errors import UserError
from pneumonia.outputs import whole_file
from pneumonia.params.paths import user_path

if TYPE_CHECKING:
    from pydicom import Dataset

SALT_FILE = ".pneumonia_salt"


DEFLATED = b"1.2.840.10008.1.2.1.99"
"""The transfer syntax whose whole data set is compressed: a megabyte of it may be gigabytes, so it is not read."""


def read_header(file: Path, elements: list[str]) -> "Dataset | None":
    """The `elements` of a DICOM `file`, its pixels left unread; None only for a file that `clean` will reject."""
    from pydicom import dcmread  # here, since it takes time and most data sets have no DICOM

    hush_pydicom()
    try:
        with file.open("rb") as start:
            if DEFLATED in start.read(4096):
                return None
        # Forced, as in `read_dicom`: a file may lack the preamble that marks it as DICOM.
        return dcmread(file, stop_before_pixels=True, force=True, specific_tags=elements)
    except Exception:  # on broken bytes pydicom raises anything; its messages quote what they stumbled on
        return None


def patient_hash(file: Path) -> str:
    """The `pseudonym` of the DICOM `file`'s PatientID; empty where there is none, or the file is no DICOM."""
    try:
        header = read_header(file, ["PatientID"])
        identity = str(header.get("PatientID") or "").strip() if header else ""
    except Exception:  # pydicom decodes an element when it is asked for
        return ""
    return pseudonym(identity) if identity else ""


def pseudonym(identity: str) -> str:
    """16 hex digits that stand for `identity`: always the same with one salt, and traced to nobody without it."""
    return hmac.new(_salt().encode(), identity.encode(), hashlib.sha256).hexdigest()[:16]


def hush_pydicom() -> None:
    """Silence pydicom's warnings, which quote values. Each thread that reads calls this first."""
    # Not warnings.catch_warnings, which acts on all threads at once: one would undo the silence of another.
    warnings.filterwarnings("ignore", module=rf"pydicom|{re.escape(__package__)}\.")
    log = logging.getLogger("pydicom")
    log.propagate = False
    if not log.handlers:
        log.addHandler(logging.NullHandler())  # without any, Python would print warnings all the same


def _salt() -> str:
    """The salt: `PNEUMONIA_SALT`, or else the content of `SALT_FILE` in the main repository, made once."""
    from filelock import FileLock  # here: whoever only reads films, as a served model does, needs none

    if given := os.environ.get("PNEUMONIA_SALT"):
        return given
    file = user_path(SALT_FILE)
    try:
        with FileLock(f"{file}.lock"):  # experiments that start together must not make two
            if not file.exists():
                with whole_file(file) as partial:
                    partial.touch(mode=0o600)
                    partial.write_text(secrets.token_hex(32))
            return file.read_text()
    except OSError as error:
        raise UserError(f"{file}: cannot be made or read ({error.strerror}); PNEUMONIA_SALT may be the salt") from error
