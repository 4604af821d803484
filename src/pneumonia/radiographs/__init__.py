"""One file, JPEG, PNG or DICOM, becomes one grey array."""
