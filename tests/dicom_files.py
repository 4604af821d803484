"""DICOM files made here, element by element."""

import io
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian


def dicom(stored: np.ndarray, photometric: str = "MONOCHROME2", bits: int = 8, **elements: Any) -> bytes:
    """A DICOM file of `stored`: (H, W) greys, or (H, W, 3) RGB."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.Rows, dataset.Columns = stored.shape[:2]
    dataset.SamplesPerPixel = 1 if stored.ndim == 2 else 3
    dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated = 8 * stored.itemsize
    dataset.BitsStored, dataset.HighBit = bits, bits - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    dataset.PixelData = stored.tobytes()
    for name, value in elements.items():
        setattr(dataset, name, value)
    return saved(dataset)


def saved(dataset: Dataset) -> bytes:
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=False, implicit_vr=False, little_endian=True)
    return bytes(128) + b"DICM" + file.getvalue().removeprefix(bytes(128) + b"DICM")


def compressed(plain: bytes, syntax: str) -> bytes:
    """The file `plain` in another transfer syntax."""
    dataset = dcmread(io.BytesIO(plain))
    dataset.compress(syntax, generate_instance_uid=False)
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=False)
    return file.getvalue()
