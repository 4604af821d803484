"""Train the chosen network and keep its best epoch."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

import keras
import numpy as np
import pandas as pd

from pneumonia.compilation import on_the_processor
from pneumonia.errors import UserError
from pneumonia.models.shared.building import Network, build_network
from pneumonia.models.shared.head import find_head
from pneumonia.models.shared.pretrained import FIRST_HEAD_LAYER
from pneumonia.models.shared.settings import Pretrained
from pneumonia.params.load import Params
from pneumonia.params.stages import Train
from pneumonia.preparation.packed.films import class_numbers
from pneumonia.training.batches import TrainingBatches, targets
from pneumonia.training.box_targets import BoxTargets
from pneumonia.training.checkpoint import State
from pneumonia.training.devices import agree, data_parallel, describe, process
from pneumonia.training.history import History, restore
from pneumonia.training.learner import Learner, compile_learner, make_learner, plain_inputs
from pneumonia.training.precision import POLICIES, choose_precision

log = logging.getLogger(__name__)

Arrays = tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Phase:
    """Some epochs in which the layers from `first_trainable` on learn (None: all of them).

    Batch norm learns with them, or stays as it is.
    """

    name: str
    epochs: int
    learning_rate: float
    first_trainable: str | None
    batch_norm_learns: bool


@dataclass(frozen=True)
class Trained:
    """The best epoch's network, in float32, where its first weights came from (`imagenet`, `random` or a path), its
    history with a row an epoch, the precision that it was trained in, and the device."""

    model: keras.Model
    weights: str
    history: pd.DataFrame
    precision: str
    device: str


def train(
    params: Params,
    images: np.ndarray,
    rows: pd.DataFrame,
    val: tuple[np.ndarray, np.ndarray],
    on_epoch: Callable[[State], None],
    resumed: State | None = None,
    boxes: list[np.ndarray] | None = None,
) -> Trained:
    """Train on the packed `images`, uint8 (N, S, S), that `rows` (of `train.csv`) name, and validate on `val`.

    `val` holds rows of `images`, int64 (V,), and their classes, int64 (V,). `on_epoch` is told the state after each
    epoch. From such a state, `resumed`, training goes on to the same result. A localiser needs `boxes`, float (K, 4)
    for each of `images`. The same seed and precision give the same result on the same CPU.

    Raises:
        UserError: parameters that do not fit the network or the devices, weights that cannot be had, or a loss that is
            not finite.
    """
    names, head = params.classes, find_head(params.model)
    box_targets = BoxTargets(boxes, head, images.shape[1]) if head and boxes else None
    precision = resumed.precision if resumed else choose_precision(params)
    keras.utils.set_random_seed(params.seed)
    keras.config.set_dtype_policy(POLICIES[precision])
    with data_parallel() as shards:
        _check_batch_size(params.train.batch_size, shards)
        with on_the_processor():
            network = build_network(params)
        if resumed:
            _require_weights(resumed.weights, network)
        agree(f"precision {precision}, weights {network.weights}, {len(resumed.rows) if resumed else 0} epochs done")
        # A model of the user's own has its output's bias already.
        if params.train.initial_bias and network.weights in ("random", "imagenet"):
            set_initial_bias(network.model, rows, names)
        phases = _phases(params, network)
        for phase in phases:
            freeze(network.model, phase)  # fails before any work where a layer is not there
        history = History(network, params.train, precision, on_epoch, resumed)
        batches = TrainingBatches(images, rows, params, process(), box_targets)
        learner = make_learner(network.model, params.train, params.seed, head)
        wanted = box_targets(val[0]) if box_targets else targets(val[1], len(names))
        validation = _validation_data(images, val[0], wanted, params.train.batch_size)
        _fit(learner, phases, batches, validation, history, params.train, resumed)
    return Trained(
        model=_in_float32(network.model, history.best, ["map", "probability"] if head else ["probability"]),
        weights=network.weights,
        history=pd.DataFrame(history.rows),
        precision=precision,
        device=describe(),
    )


def _fit(
    learner: Learner,
    phases: list[Phase],
    batches: TrainingBatches,
    validation: Arrays,
    history: History,
    settings: Train,
    resumed: State | None,
) -> None:
    """Train phase by phase, from the one in which `resumed` was left."""
    start = int(resumed.rows[-1]["phase"]) if resumed else 1
    for number, phase in enumerate(phases[start - 1 :], start):
        freeze(history.network, phase)
        compile_learner(learner, settings, phase.learning_rate, phase.epochs, steps=len(batches))
        if resumed and number == start:
            restore(learner, resumed.variables)
        history.begin(number, phase.learning_rate)
        left = phase.epochs - history.epochs_done()
        if left == 0 or history.is_stopped():
            # As `fit` does at its end: the next phase begins with the moving average.
            learner.optimizer.finalize_variable_values(learner.trainable_variables)
            continue
        done = len(history.rows)
        log.info("%s: %d epochs at most", phase.name, left)
        learner.fit(
            batches,
            validation_data=validation,
            validation_batch_size=settings.batch_size,
            initial_epoch=done,
            epochs=done + left,
            # Keras' own counting of a data set's epochs differs between backends and between first and later fits.
            callbacks=[keras.callbacks.LambdaCallback(lambda epoch, logs: batches.begin_epoch(epoch)), history],
            shuffle=False,  # not the order of batches: `batches` shuffles the films, by the seed
            verbose=2 if process()[0] == 0 else 0,
        )


def set_initial_bias(network: keras.Model, rows: pd.DataFrame, names: list[str]) -> None:
    """Set the output's bias so that it starts at the share of each class that the loss sees: draws times weights.

    With two classes in `names` the bias is the log odds of the second, else the logarithm of each class's share.
    """
    classes = class_numbers(rows["class"], names)
    seen = np.bincount(classes, rows["draws"] * rows["weight"], minlength=len(names))
    bias = [math.log(seen[1] / seen[0])] if len(seen) == 2 else np.log(seen / seen.sum())
    output = network.get_layer("probability")
    if isinstance(output, keras.layers.Dense):  # a mask's probability is its maximum, without a bias
        output.bias.assign(np.array(bias, "float32"))


def freeze(network: keras.Model, phase: Phase) -> None:
    """Make those layers trainable that learn in `phase`; a batch norm that does not learn is in inference mode.

    Raises:
        UserError: the network has no such layer.
    """
    names = [layer.name for layer in network.layers]
    if phase.first_trainable is not None and phase.first_trainable not in names:
        like = get_close_matches(phase.first_trainable, names, n=5, cutoff=0) or names[:5]
        raise UserError(f"{network.name} has no layer {phase.first_trainable!r}; it may be {', '.join(like)} …")
    start = 0 if phase.first_trainable is None else names.index(phase.first_trainable)
    for number, layer in enumerate(network.layers):
        fixed_norm = isinstance(layer, keras.layers.BatchNormalization) and not phase.batch_norm_learns
        layer.trainable = number >= start and not fixed_norm


def _phases(params: Params, network: Network) -> list[Phase]:
    settings, epochs, rate = params.chosen_model, params.train.epochs, params.train.learning_rate
    if isinstance(settings, Pretrained) and network.weights != "random":
        head = Phase("training the head", settings.head_epochs, settings.head_learning_rate, FIRST_HEAD_LAYER, False)
        return [head, Phase("fine-tuning", epochs, rate, settings.fine_tune_from, False)]
    fixed_norms = settings.published and network.weights != "random"
    return [Phase("training all layers", epochs, rate, None, not fixed_norms)]


def _require_weights(first: str, network: Network) -> None:
    if first != network.weights:
        raise UserError(
            f"the training that was killed began with weights {first}, now there are {network.weights}; "
            f"bring those back, or remove models/.checkpoint.npz to begin anew"
        )


def _check_batch_size(batch_size: int, shards: int) -> None:
    if batch_size % shards:
        raise UserError(f"train.batch_size is {batch_size}; it may be a multiple of the number of devices, {shards}")


def _validation_data(images: np.ndarray, rows: np.ndarray, wanted: np.ndarray, batch_size: int) -> Arrays:
    """This process' shard of the films as they are; films with weight 0 make its batches whole, all of one shape.

    The other weights rise to make up for these, since the mean loss counts all films.
    """
    fill = -len(rows) % (batch_size * process()[1])
    weights = np.full(len(rows) + fill, 1 + fill / len(rows), "float32")
    weights[len(rows) :] = 0
    filled = np.resize(np.arange(len(rows)), len(rows) + fill)
    rows, wanted = rows[filled], wanted[filled]
    mine, processes = process()
    shard = slice(mine * len(rows) // processes, (mine + 1) * len(rows) // processes)
    return plain_inputs(images[rows[shard]]), wanted[shard], weights[shard]


def _in_float32(network: keras.Model, weights: list[np.ndarray], outputs: list[str]) -> keras.Model:
    """The network with `weights`, in float32 whatever it was trained in, so that it predicts alike everywhere.

    It keeps only the outputs of the layers named in `outputs`.
    """
    network.set_weights(weights)
    keras.config.set_dtype_policy("float32")
    kept_outputs = [network.get_layer(name).output for name in outputs]
    kept = keras.Model(network.input, kept_outputs if len(outputs) > 1 else kept_outputs[0], name=network.name)
    config = kept.get_config()
    for layer in config["layers"]:
        if "dtype" in layer["config"]:
            layer["config"]["dtype"] = "float32"
    copy = keras.Model.from_config(config)
    copy.set_weights(kept.get_weights())
    return copy
