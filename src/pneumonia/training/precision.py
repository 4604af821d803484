"""Which numbers a network is trained in."""

import logging
import math
import time

import keras
import numpy as np

from pneumonia.models.parts.building import build_network
from pneumonia.models.parts.head import find_head
from pneumonia.params.load import Params
from pneumonia.training.batches import targets
from pneumonia.training.devices import gpus, has_fast_bfloat16, process
from pneumonia.training.learner import compile_learner, make_learner, plain_inputs

log = logging.getLogger(__name__)

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
WORTH = 0.9
"""A share of the time in float32: bfloat16 that takes more is not worth its rounding."""


def choose_precision(params: Params) -> str:
    """`train.precision`, and what its `auto` means here: `float32` or `bfloat16`.

    `bfloat16` on GPUs that have it; on a CPU that has it where it takes less than 0.9 of the time, measured, in a
    single process (several could measure otherwise); else `float32`.
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
    """The fastest training step in bfloat16 over the fastest in float32, on a batch of grey films."""
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
