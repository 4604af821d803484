"""From a folder of chest radiographs to an evaluated, registered pneumonia model."""

import os
import tempfile
from pathlib import Path

# Without oneDNN TensorFlow asks the C library for each tensor's memory and gives it back at once, so each step touches
# fresh pages, for up to a fifth of its time (docs/benchmarks.md); with this it keeps what it has. It reads this before
# its first tensor, which nothing of this package makes before this line. What the user has set stays.
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")

try:
    Path.home()
except RuntimeError:  # a user without a name and without HOME, as in containers: MLflow and Keras do not load then
    os.environ["HOME"] = tempfile.gettempdir()
