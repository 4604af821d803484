"""The history of a training, and what it decides: the best epoch, when to stop, when to slow down."""

import math
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from pneumonia.errors import UserError
from pneumonia.models.shared.building import Network
from pneumonia.params.stages import Train
from pneumonia.training.checkpoint import State

PLATEAU_FACTOR = 0.3


class History(keras.callbacks.Callback):
    """The rows of the history: epoch from 1, phase from 1, losses and metrics, learning rate, seconds.

    Every decision follows from the rows, so a training that is resumed with them decides alike. Where `settings` ask
    for a moving average of the weights, the average is validated and kept.
    """

    def __init__(
        self,
        network: Network,
        settings: Train,
        precision: str,
        on_epoch: Callable[[State], None],
        resumed: State | None,
    ) -> None:
        super().__init__()
        self.network, self.weights, self.settings = network.model, network.weights, settings
        self.precision, self.on_epoch = precision, on_epoch
        self.rows = list(resumed.rows) if resumed else []
        self.best = resumed.best if resumed else []
        self.phase, self.learning_rate = 0, 0.0

    def begin(self, phase: int, learning_rate: float) -> None:
        """Take the rows that follow as those of `phase`, from 1, with its `learning_rate` before any schedule."""
        self.phase, self.learning_rate = phase, learning_rate

    def epochs_done(self) -> int:
        """How many epochs of this phase there are."""
        return len(self._watched())

    def is_stopped(self) -> bool:
        """Whether this phase has had `patience` epochs in a row without a better one."""
        return epochs_without_better(self._watched()) >= self.settings.patience

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the epoch's clock, and note the learning rate with which it begins."""
        self.started = time.monotonic()
        self.rate = float(ops.convert_to_numpy(self.model.optimizer.learning_rate))

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Put the moving average in the place of the weights."""
        if self.settings.ema:
            self.last_step = [np.array(ops.convert_to_numpy(each)) for each in self.model.trainable_variables]
            self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
            for variable in self.model.trainable_variables:
                # A copy: on JAX the weight and its average are one array now, which the next step would use up.
                variable.assign(np.array(ops.convert_to_numpy(variable)))

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Remember the weights that were validated, and take back those of the last step."""
        self.validated = self.network.get_weights()
        if self.settings.ema:
            for variable, value in zip(self.model.trainable_variables, self.last_step, strict=True):
                variable.assign(value)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the epoch's row, pass the state on, and decide how to go on."""
        values = {key: float(value) for key, value in (logs or {}).items() if key != "learning_rate"}
        for name in ("loss", "val_loss"):
            if not math.isfinite(values[name]):
                raise UserError(self._what_to_try(name, values[name], epoch + 1))
        rate = float(ops.convert_to_numpy(self.model.optimizer.learning_rate))
        seconds = time.monotonic() - self.started
        self.rows.append({"epoch": epoch + 1, "phase": self.phase, **values, "learning_rate": rate, "seconds": seconds})
        if epochs_without_better(self._loss_like(self.rows)) == 0:
            self.best = self.validated
        if self.settings.schedule == "plateau":
            reductions = plateaus(self._watched(), max(1, self.settings.patience // 3))
            self.model.optimizer.learning_rate = self.learning_rate * PLATEAU_FACTOR**reductions
        self.on_epoch(State(list(self.rows), self.precision, self.weights, variables(self.model), self.best))
        self.model.stop_training = self.is_stopped()

    def _what_to_try(self, name: str, value: float, epoch: int) -> str:
        remedies = ["a smaller train.learning_rate"]
        remedies += [] if self.settings.clip_norm else ["train.clip_norm 1.0"]
        remedies += [] if self.precision == "float32" else ["train.precision float32"]
        remedies += ["train.warmup_epochs 2"] if self.settings.schedule == "cosine" and epoch == 1 else []
        return (
            f"the {name} was {value} in epoch {epoch}, begun at learning rate {self.rate:g}; try {', '.join(remedies)}"
        )

    def _watched(self) -> list[float]:
        return self._loss_like([row for row in self.rows if row["phase"] == self.phase])

    def _loss_like(self, rows: list[dict[str, float]]) -> list[float]:
        """The monitored metric in each of `rows`, with the sign by which less is better."""
        sign = 1 if self.settings.monitor == "val_loss" else -1
        return [sign * row[self.settings.monitor] for row in rows]


def variables(learner: keras.Model) -> list[np.ndarray]:
    """All that the next step depends on: weights, statistics and random generators, then the optimizer's own."""
    return [ops.convert_to_numpy(each) for each in learner.variables + learner.optimizer.variables]


def restore(learner: keras.Model, values: list[np.ndarray]) -> None:
    """Set what `variables` gave."""
    for variable, value in zip(learner.variables + learner.optimizer.variables, values, strict=True):
        variable.assign(value)


def epochs_without_better(losses: list[float]) -> int:
    """How many epochs came after the best one, the first of equals; 0 where there are none."""
    return len(losses) - 1 - losses.index(min(losses)) if losses else 0


def plateaus(losses: list[float], patience: int) -> int:
    """How often `patience` epochs in a row brought nothing better."""
    count, waited, best = 0, 0, math.inf
    for loss in losses:
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        if waited == patience:
            count, waited = count + 1, 0
    return count
