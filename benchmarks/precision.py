"""Training steps in bfloat16 against the same in float32, from random weights, on the device that there is."""

import math
import time

import keras
import numpy as np
from untrained import params_for

from pneumonia.models.shared.building import build_network
from pneumonia.training.devices import describe, gpus_multiply_bfloat16
from pneumonia.training.learner import compile_learner, make_learner, plain_inputs
from pneumonia.training.precision import POLICIES

BATCH, STEPS = 32, 5
MODELS = {"cnn": 299, "resnet": 128, "mobilenet_v2": 224, "resnet50": 128}


def main() -> None:
    print(f"{describe()}, GPUs for bfloat16: {gpus_multiply_bfloat16()}, batches of {BATCH}, the best of {STEPS} steps")
    print("model          size   float32 films/s  bfloat16 films/s   ratio")
    for model, size in MODELS.items():
        params = params_for(model, size)
        learners = {}
        for precision in ("float32", "bfloat16"):
            keras.config.set_dtype_policy(POLICIES[precision])
            learners[precision] = make_learner(build_network(params).model, params.train, params.seed)
            compile_learner(learners[precision], params.train, 1e-3, epochs=2, steps=STEPS)
        inputs = plain_inputs(np.full((BATCH, size, size), 128, "uint8"))
        targets = (np.arange(BATCH)[:, None] % 2).astype("float32")
        best = dict.fromkeys(learners, math.inf)
        for step in range(STEPS + 1):
            for precision, learner in learners.items():
                started = time.perf_counter()
                learner.train_on_batch(inputs, targets)
                if step:  # the first compiles
                    best[precision] = min(best[precision], time.perf_counter() - started)
        rates = {precision: BATCH / seconds for precision, seconds in best.items()}
        ratio = rates["bfloat16"] / rates["float32"]
        print(f"{model:13} {size:5} {rates['float32']:17.1f} {rates['bfloat16']:17.1f} {ratio:7.2f}")


if __name__ == "__main__":
    main()
