"""Train the chosen network and keep its best epoch."""

import logging
import math
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import pandas as pd

from pneumonia.augmentation import Augment
from pneumonia.dataset import TrainingBatches, class_numbers
from pneumonia.errors import UserError
from pneumonia.models import Network, build_network
from pneumonia.optimization import make_loss, make_optimizer
from pneumonia.params import Inception, Params, Train

log = logging.getLogger(__name__)

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


@dataclass(frozen=True)
class Phase:
    """Some epochs in which the layers from `first_trainable` on learn (None: all layers)."""

    name: str
    epochs: int
    learning_rate: float
    first_trainable: str | None


@dataclass(frozen=True)
class Trained:
    """What training gives: the best epoch's network in float32, where its first weights came from (`imagenet`, `random`
    or a path), its history with a row an epoch, how long it took in seconds, and on what device."""

    model: keras.Model
    weights: str
    history: pd.DataFrame
    seconds: float
    device: str


def train(
    params: Params,
    images: np.ndarray,
    rows: pd.DataFrame,
    val: tuple[np.ndarray, np.ndarray],
    on_epoch: Callable[[dict[str, float]], None],
) -> Trained:
    """Train on `rows` (of `train.csv`) of the packed `images`, uint8 (N, S, S), and validate on `val`.

    `val` holds rows of `images`, int64 (V,), and their classes, int64 (V,). `on_epoch` is told each epoch's row of
    the history. The same seed gives the same result on a CPU.

    Raises:
        UserError: parameters that do not fit the network, weights that cannot be had, or a loss that is not finite.
    """
    started = time.monotonic()
    keras.utils.set_random_seed(params.seed)
    keras.config.set_dtype_policy(POLICIES[params.train.precision])
    network = build_network(params)
    if network.weights in ("random", "imagenet"):  # a model of the user's own has its output's bias already
        set_initial_bias(network.model, rows, params.task)
    phases = _phases(params, network)
    for phase in phases:
        freeze_before(network.model, phase.first_trainable)  # a layer that is not there is told before any work
    learner = make_learner(network.model)
    batches = TrainingBatches(
        images, rows, params.task, params.train.batch_size, params.train.augmentation, params.seed
    )
    history = History(on_epoch)
    _fit(learner, network.model, phases, batches, _validation_data(images, *val), history, params.train)
    return Trained(
        model=_in_float32(network.model, params),
        weights=network.weights,
        history=pd.DataFrame(history.rows),
        seconds=time.monotonic() - started,
        device=_device(),
    )


def _fit(
    learner: keras.Model,
    network: keras.Model,
    phases: list[Phase],
    batches: TrainingBatches,
    validation_data: tuple[dict[str, np.ndarray], np.ndarray],
    history: "History",
    settings: Train,
) -> None:
    """Train `network`, behind `learner`, phase by phase, and leave it with the weights of the best epoch of all."""
    with TemporaryDirectory() as scratch:
        best = keras.callbacks.ModelCheckpoint(
            str(Path(scratch) / "best.weights.h5"),
            monitor=settings.monitor,
            mode=_better(settings),
            save_best_only=True,
            save_weights_only=True,
        )
        for phase in phases:
            log.info("%s: up to %d epochs", phase.name, phase.epochs)
            freeze_before(network, phase.first_trainable)
            learner.compile(
                make_optimizer(settings, phase.learning_rate, phase.epochs, steps=len(batches)),
                make_loss(settings),
                weighted_metrics=[keras.metrics.BinaryAccuracy(name="accuracy"), keras.metrics.AUC(name="auc")],
            )
            first = len(history.rows)
            learner.fit(
                batches,
                validation_data=validation_data,
                validation_batch_size=settings.batch_size,
                initial_epoch=first,
                epochs=first + phase.epochs,
                callbacks=[best, history, *_callbacks(settings)],
                verbose=2,
            )
        learner.load_weights(best.filepath)


class History(keras.callbacks.Callback):
    """The rows of the history: epoch from 1, losses and metrics, learning rate, seconds."""

    def __init__(self, on_epoch: Callable[[dict[str, float]], None]) -> None:
        super().__init__()
        self.on_epoch = on_epoch
        self.rows: list[dict[str, float]] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the epoch's clock."""
        self.started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the epoch's row and tell it on."""
        values = {key: float(value) for key, value in (logs or {}).items() if key != "learning_rate"}
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        if not math.isfinite(values["loss"]):
            raise UserError(
                f"the loss was {values['loss']} in epoch {epoch + 1} at learning rate {rate:g}; "
                "try a smaller train.learning_rate or train.precision float32"
            )
        row = {"epoch": epoch + 1, **values, "learning_rate": rate, "seconds": time.monotonic() - self.started}
        self.rows.append(row)
        self.on_epoch(row)


def make_learner(network: keras.Model) -> keras.Model:
    """`network` behind the augmentation: the model that is fitted, on the inputs of `dataset.TrainingBatches`."""
    size = network.input_shape[1]
    inputs = {
        "image": keras.Input((size, size, 1), dtype="uint8", name="image"),
        "pose": keras.Input((8,), dtype="float32", name="pose"),
        "tone": keras.Input((2,), dtype="float32", name="tone"),
    }
    return keras.Model(inputs, network(Augment()(**inputs)))


def set_initial_bias(network: keras.Model, rows: pd.DataFrame, task: str) -> None:
    """Set the output's bias to log(positives / negatives) as the loss sees them: draws times weights."""
    positive = class_numbers(rows["class"], task) == 1
    seen = rows["draws"] * rows["weight"]
    kernel, _ = network.get_layer("probability").get_weights()
    bias = math.log(seen[positive].sum() / seen[~positive].sum())
    network.get_layer("probability").set_weights([kernel, np.array([bias], "float32")])


def freeze_before(network: keras.Model, first_trainable: str | None) -> None:
    """Freeze the layers before `first_trainable`, and every batch norm too: its statistics are those of the weights.

    None frees all layers.

    Raises:
        UserError: the network has no such layer.
    """
    names = [layer.name for layer in network.layers]
    if first_trainable is not None and first_trainable not in names:
        raise UserError(f"{network.name} has no layer {first_trainable!r}; it may be one of {', '.join(names)}")
    start = 0 if first_trainable is None else names.index(first_trainable)
    for number, layer in enumerate(network.layers):
        batch_norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = number >= start and not (batch_norm and first_trainable is not None)


def _phases(params: Params, network: Network) -> list[Phase]:
    settings, epochs, rate = params.chosen_model, params.train.epochs, params.train.learning_rate
    if isinstance(settings, Inception) and network.weights != "random":
        head = Phase("training the head", settings.head_epochs, settings.head_learning_rate, "head_pool")
        return [head, Phase("fine-tuning", epochs, rate, settings.fine_tune_from)]
    return [Phase("training all layers", epochs, rate, None)]


def _validation_data(
    images: np.ndarray, rows: np.ndarray, classes: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The films as they are: outside training `Augment` looks at neither pose nor tone."""
    unused = {"pose": np.zeros((len(rows), 8), "float32"), "tone": np.zeros((len(rows), 2), "float32")}
    return {"image": images[rows][..., None], **unused}, classes[:, None].astype("float32")


def _callbacks(settings: Train) -> list[keras.callbacks.Callback]:
    watch: dict[str, Any] = {"monitor": settings.monitor, "mode": _better(settings)}
    callbacks: list[keras.callbacks.Callback] = [keras.callbacks.EarlyStopping(patience=settings.patience, **watch)]
    if settings.schedule == "plateau":
        callbacks.append(
            keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=max(1, settings.patience // 3), **watch)
        )
    return callbacks


def _device() -> str:
    """What the backend trains on: its GPUs where there are any, else this machine's processor."""
    gpus = [name for name in keras.distribution.list_devices() if "gpu" in name or "cuda" in name]
    return f"{keras.config.backend()} on " + (", ".join(gpus) or f"{platform.machine()} CPU, {os.cpu_count()} cores")


def _better(settings: Train) -> str:
    return "min" if settings.monitor == "val_loss" else "max"


def _in_float32(network: keras.Model, params: Params) -> keras.Model:
    """The same network computing in float32, whatever it was trained in: what is saved predicts alike everywhere."""
    if params.train.precision == "float32":
        return network
    config = network.get_config()
    keras.config.set_dtype_policy("float32")
    for layer in config["layers"]:
        layer["config"]["dtype"] = "float32"
    copy = keras.Model.from_config(config)
    copy.set_weights(network.get_weights())
    return copy
