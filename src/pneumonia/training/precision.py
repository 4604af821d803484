"""The kind of numbers that a network is trained in."""

from pneumonia.params.load import Params
from pneumonia.training.devices import gpus_multiply_bfloat16

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def choose_precision(params: Params) -> str:
    """`float32` or `bfloat16`: `train.precision`, or for its `auto` `bfloat16` on GPUs that have it, else `float32`.

    No clock decides, so that the same inputs give the same outputs. Who wants bfloat16 on a CPU asks for it by name.
    """
    if params.train.precision != "auto":
        return params.train.precision
    return "bfloat16" if gpus_multiply_bfloat16() else "float32"
