"""Keras, imported at its first use, so that the blocks of networks in params.yaml are checked without it."""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

__all__ = ["keras", "layers", "ops"]

if TYPE_CHECKING:
    import keras
    from keras import layers, ops
else:

    class _Lazy(ModuleType):
        def __getattr__(self, name: str) -> object:
            return getattr(import_module(self.__name__), name)

    keras, layers, ops = _Lazy("keras"), _Lazy("keras.layers"), _Lazy("keras.ops")
