"""The packages that reading films and answering need. Who hands out a model that answers elsewhere adds its own."""

READER = ("numpy", "pillow", "pydantic", "pydicom", "pylibjpeg", "pylibjpeg-openjpeg", "python-gdcm")
"""What the code imports to read films and to predict, and the decoders of DICOM."""
OF_TWIN = ("onnxruntime",)
OF_BOXES = ("scipy",)
"""What it imports besides: to answer by ONNX Runtime, and to find boxes in a map."""
