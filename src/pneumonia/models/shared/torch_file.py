"""Read the weights in a file that PyTorch wrote before its version 1.6 (`torch.save`), without PyTorch."""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

DTYPES: dict[str, np.dtype] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class View(NamedTuple):
    """The part of a storage that is a tensor; `offset` and `strides` are in elements."""

    storage: tuple[str, np.dtype]
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class StateReader(pickle.Unpickler):
    """An unpickler that lets a pickle call only what a dictionary of weights needs."""

    def find_class(self, module: str, name: str) -> object:
        """What stands for a class or function of the file."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: View(storage, offset, shape, strides)
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a file of weights")

    def persistent_load(self, pid: tuple[str, np.dtype, str, str, int, None]) -> tuple[str, np.dtype]:
        """Key and type of a storage, from ("storage", type, key, device, elements, view)."""
        _, dtype, key, *_ = pid
        return key, dtype


def read_torch_file(path: Path) -> dict[str, np.ndarray]:
    """The weights by name, in the order of the file; float32 or int64.

    The file holds pickles of a magic number, a version, the machine, the dictionary and the keys of its storages. Then
    come the storages, each an int64 number of elements and the elements (`torch/serialization.py`, `_legacy_save`).

    Raises:
        pickle.UnpicklingError: the file holds something other than float32 or int64 weights.
        TypeError, ValueError: weights that reach beyond their storage.
    """
    with open(path, "rb") as file:
        for _ in ("magic number", "version", "machine"):
            StateReader(file).load()
        views: dict[str, View] = StateReader(file).load()
        dtypes = dict(view.storage for view in views.values())
        storages = {key: _storage(file, dtypes[key]) for key in StateReader(file).load()}
    return {name: _tensor(view, storages[view.storage[0]]) for name, view in views.items()}


def _storage(file: BinaryIO, dtype: np.dtype) -> np.ndarray:
    count = int(np.frombuffer(file.read(8), "<i8")[0])
    return np.frombuffer(file.read(count * dtype.itemsize), dtype)


def _tensor(view: View, storage: np.ndarray) -> np.ndarray:
    size = storage.itemsize
    strides = [stride * size for stride in view.strides]
    return np.ndarray(view.shape, storage.dtype, storage, view.offset * size, strides).copy()
