"""How often one training step, repeated from the same state, gives the same gradients: TensorFlow on a CPU.

    python benchmarks/repeating.py [cnn …]

Once with batches of unknown size, as Keras hands those of a `PyDataset` on, and so the pipeline's; once with their size
known, as of `train_on_batch` and of `fit` on arrays. Each is asked 40 times, of noise at 128 pixels.
"""

import argparse
from collections import Counter
from hashlib import sha256

import keras
import numpy as np
import tensorflow as tf
from untrained import params_for

from pneumonia.models.shared.building import build_network
from pneumonia.training.learner import compile_learner, make_learner, plain_inputs

BATCH, SIZE, TIMES = 32, 128, 40


def different_gradients(model: str, known: bool) -> Counter[str]:
    """How often each result came."""
    params = params_for(model, SIZE)
    keras.utils.set_random_seed(0)
    learner = make_learner(build_network(params).model, params.train, 0)
    compile_learner(learner, params.train, 1e-3, epochs=1, steps=TIMES)
    films = plain_inputs(np.random.default_rng(0).integers(0, 255, (BATCH, SIZE, SIZE), dtype=np.uint8))
    targets = (np.arange(BATCH)[:, None] % 2).astype("float32")
    inputs = {name: tf.constant(values) for name, values in films.items()}
    count = BATCH if known else None
    signature = [
        {name: tf.TensorSpec((count, *values.shape[1:]), values.dtype) for name, values in films.items()},
        tf.TensorSpec((count, 1)),
    ]

    @tf.function(input_signature=signature)
    def gradients(inputs: dict[str, tf.Tensor], targets: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = learner.compute_loss(inputs, targets, learner(inputs, training=True), None)
        return tape.gradient(loss, [variable.value for variable in learner.trainable_variables])

    learns = {id(variable) for variable in learner.trainable_variables}
    state = [variable for variable in learner.variables if id(variable) not in learns]
    first, seen = [variable.numpy() for variable in state], Counter()
    for _ in range(TIMES):
        for variable, value in zip(state, first, strict=True):
            variable.assign(value)
        digest = sha256(b"".join(gradient.numpy().tobytes() for gradient in gradients(inputs, tf.constant(targets))))
        seen[digest.hexdigest()] += 1
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", metavar="model", default=["cnn"])
    print(f"{TIMES} times the gradients of one batch; how often each result came")
    for model in parser.parse_args().models:
        for known in (False, True):
            counts = sorted(different_gradients(model, known).values(), reverse=True)
            print(f"{model:13} {'known' if known else 'unknown':>8} size: {counts}")


if __name__ == "__main__":
    main()
