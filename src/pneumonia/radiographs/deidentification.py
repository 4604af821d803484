"""What names a person stays in the file: outside of it a patient is a salted hash.

The hash is HMAC-SHA256 (RFC 2104) of DICOM's PatientID, keyed by a salt that only the owner of the films has: patient
numbers are few enough to be tried one by one, so a hash without a secret would hide nothing.
"""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from pneumonia.errors import UserError
from pneumonia.outputs import whole_file
from pneumonia.params.paths import user_path
from pneumonia.radiographs.radiograph import UnreadableRadiograph
from pneumonia.radiographs.read import read_elements

SALT_FILE = ".pneumonia_salt"


def patient_hash(file: Path) -> str:
    """The `pseudonym` of the DICOM `file`'s PatientID; empty where there is none, or the file is no DICOM."""
    try:
        identity = read_elements(file, ["PatientID"]).get("PatientID", "")
    except UnreadableRadiograph:
        return ""
    return pseudonym(identity) if identity else ""


def pseudonym(identity: str) -> str:
    """16 hex digits that stand for `identity`: always the same with one salt, and traced to nobody without it."""
    return hmac.new(_salt().encode(), identity.encode(), hashlib.sha256).hexdigest()[:16]


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
