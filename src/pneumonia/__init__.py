"""From a folder of chest radiographs to an evaluated, registered pneumonia model."""

import os

# TensorFlow asks the C library for each tensor's memory and gives it back at once, so each step touches fresh pages,
# for a fifth to a third of its time; with this it keeps what it has. TensorFlow reads it when it is loaded, which
# nothing of this package can do before this line. What the user has set stays.
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")
