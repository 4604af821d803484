"""The kind of numbers that a network is trained in."""

import logging
import math
import time

import keras
import numpy as np

from pneumonia.models.shared.building import build_network
from pneumonia.models.shared.head import find_head
from pneumonia.params.load import Params
from pneumonia.training.batches import targets
from pneumonia.training.devices import gpus, has_fast_bfloat16, process
from pneumonia.training.learner import compile_learner, make_learner, plain_inputs

log = logging.getLogger(__name__)

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
WORTH = 0.9
"""bfloat16 that takes more than this share of the time in float32 is not worth its rounding."""


def choose_precision(params: Params) -> str:
    """`float32` or `bfloat16`: `train.precision`, or what its `auto` means on this machine.

    `auto` is `bfloat16` on GPUs that have it. On a CPU that has it, a single process measures both, and takes
    `bfloat16` where it needs less than 0.9 of the time (several could measure otherwise). Else it is `float32`.
    """
    if params.train.precision != "auto":
        return params.train.precision
    if not has_fast_bfloat16():
        return "float32"
    if gpus():
        return "bfloat16"
    if process()[1] > 1:
        return "float32"
    share = _share_of_time(params)
    log.info("a step in bfloat16 takes %.2f of the time in float32", share)
    return "bfloat16" if share < WORTH else "float32"


def _share_of_time(params: Params, batch: int = 8, steps: int = 4) -> float:
    """The time of the fastest training step in bfloat16, divided by that in float32, on a batch of grey films."""
    size = params.clean.image_size
    inputs = plain_inputs(np.full((batch, size, size), 128, "uint8"))
    head = find_head(params.model)
    if head:
        wanted = np.stack([head.targets(np.empty((0, 4)), size)] * batch)
    else:
        wanted = targets(np.arange(batch) % 2, len(params.classes))
    weights = np.ones(batch, "float32")
    learners, times = {}, {}
    for precision in ("float32", "bfloat16"):
        keras.config.set_dtype_policy(POLICIES[precision])
        learners[precision] = make_learner(build_network(params).model, params.train, params.seed, head)
        compile_learner(learners[precision], params.train, params.train.learning_rate, epochs=2, steps=steps)
        learners[precision].train_on_batch(inputs, wanted, weights)  # compiles
        times[precision] = math.inf
    for _ in range(steps):
        for precision, learner in learners.items():  # by turns: a machine with other work slows both alike
            started = time.perf_counter()
            learner.train_on_batch(inputs, wanted, weights)
            times[precision] = min(times[precision], time.perf_counter() - started)
    return times["bfloat16"] / times["float32"]
