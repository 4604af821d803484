"""A network's Keras model, read when it is first asked for: Keras takes seconds, which not every use needs."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from pneumonia.errors import UserError

if TYPE_CHECKING:
    import keras


class KerasFile:
    """The model in a `.keras` file."""

    def __init__(self, path: Path) -> None:
        self._path, self._model, self._reading = path, None, threading.Lock()

    def model(self) -> keras.Model:
        """The model, always the same one. Any number of threads may ask.

        Raises:
            UserError: there is no such file, it holds no network, or Keras is not installed.
        """
        with self._reading:
            if self._model is None:
                try:
                    from pneumonia.models.shared.weights import read_network
                except ImportError as error:
                    raise UserError(f"{self._path}: needs Keras, which is not installed ({error})") from error
                self._model = read_network(self._path)
            return self._model
