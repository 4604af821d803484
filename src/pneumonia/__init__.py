"""From a folder of chest radiographs to an evaluated, registered pneumonia model."""

import os
import tempfile
from pathlib import Path

try:
    Path.home()
except RuntimeError:  # a user without a name and without HOME, as in containers: MLflow and Keras do not load then
    os.environ["HOME"] = tempfile.gettempdir()
