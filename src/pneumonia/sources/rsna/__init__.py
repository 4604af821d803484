"""The films of the RSNA challenge of 2018: DICOM, with boxes around opacities."""
