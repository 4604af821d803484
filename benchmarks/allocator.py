"""Training steps with TensorFlow keeping its memory (TF_CPU_ALLOCATOR_USE_BFC=1, which `pneumonia` sets) and without.

    python benchmarks/allocator.py [cnn resnet mobilenet_v2 efficientnet_lite …]

Both by turns, each in processes of its own. The rate is the best of the rounds; memory, page faults and the kernel's
share are those of the last. With KERAS_BACKEND=jax the setting does nothing, and the page faults are JAX's.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time

BATCH, WARM, STEPS, ROUNDS = 32, 2, 6, 2
SIZES = {"cnn": 128, "resnet": 128, "mobilenet_v2": 224, "efficientnet_lite": 224}


def steps(model: str) -> dict[str, float]:
    """What training steps of `model` take in this process."""
    import numpy as np
    from untrained import params_for

    from pneumonia.models.shared.building import build_network
    from pneumonia.training.learner import compile_learner, make_learner, plain_inputs

    size = SIZES.get(model, 224)
    params = params_for(model, size)
    learner = make_learner(build_network(params).model, params.train, params.seed)
    compile_learner(learner, params.train, 1e-3, epochs=2, steps=STEPS)
    inputs = plain_inputs(np.random.default_rng(0).integers(0, 255, (BATCH, size, size), dtype=np.uint8))
    targets = (np.arange(BATCH)[:, None] % 2).astype("float32")

    def seconds_of(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            float(learner.train_on_batch(inputs, targets)[0])
        return time.perf_counter() - started

    seconds_of(WARM)
    before = resource.getrusage(resource.RUSAGE_SELF)
    seconds = seconds_of(STEPS)
    after = resource.getrusage(resource.RUSAGE_SELF)
    system, user = after.ru_stime - before.ru_stime, after.ru_utime - before.ru_utime
    return {
        "films/s": BATCH * STEPS / seconds,
        "MiB": after.ru_maxrss / 1024,
        "faults": (after.ru_minflt - before.ru_minflt) / STEPS,
        "kernel": system / (system + user),
    }


def measured(model: str, store: str) -> dict[str, float]:
    environment = {**os.environ, "TF_CPU_ALLOCATOR_USE_BFC": store, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, __file__, "--steps", model]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", metavar="model", default=list(SIZES))
    parser.add_argument("--steps", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.steps:
        print(json.dumps(steps(given.models[0])))
        return
    print(f"batches of {BATCH}, {STEPS} steps after {WARM}, {ROUNDS} rounds by turns")
    print("model              size  store  films/s    MiB  page faults a step  kernel's share")
    for model in given.models:
        rates = dict.fromkeys("01", -math.inf)
        for _ in range(ROUNDS):
            last = {store: measured(model, store) for store in "01"}
            rates = {store: max(rates[store], last[store]["films/s"]) for store in "01"}
        for store, figures in last.items():
            print(
                f"{model:18} {SIZES.get(model, 224):4} {'off' if store == '0' else 'on':>6} {rates[store]:8.1f} "
                f"{figures['MiB']:6.0f} {figures['faults']:19,.0f} {figures['kernel']:15.1%}",
                flush=True,
            )
        print(f"{'':18} ratio {rates['1'] / rates['0']:17.2f}")


if __name__ == "__main__":
    main()
