"""The devices that the backend trains on: the one place with code for each backend."""

import os
import platform
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import keras

from pneumonia.errors import UserError

BFLOAT16_FROM = (8, 0)
"""The compute capability from which NVIDIA's GPUs multiply in bfloat16 (Ampere)."""


@dataclass(frozen=True)
class Gpu:
    """A GPU that the backend sees: its name and its compute capability."""

    name: str
    capability: tuple[int, int]


def gpus() -> list[Gpu]:
    """The GPUs that the backend sees; none on a machine without any."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        found = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
        return [Gpu(gpu.get("device_name", "GPU"), gpu.get("compute_capability", (0, 0))) for gpu in found]
    if keras.backend.backend() == "jax":
        import jax

        devices = [device for device in jax.devices() if device.platform == "gpu"]
        return [Gpu(device.device_kind, _capability(getattr(device, "compute_capability", ""))) for device in devices]
    import torch

    numbers = range(torch.cuda.device_count())
    return [Gpu(torch.cuda.get_device_name(each), torch.cuda.get_device_capability(each)) for each in numbers]


def _capability(text: str) -> tuple[int, int]:
    """(9, 0) for "9.0"; (0, 0) for a GPU that is not NVIDIA's."""
    found = re.fullmatch(r"(\d+)\.(\d+)", str(text))
    return (int(found[1]), int(found[2])) if found else (0, 0)


def describe() -> str:
    """Backend and devices in words, for the run: `jax on 2 × NVIDIA H200`."""
    names = [gpu.name for gpu in gpus()]
    counted = [f"{names.count(name)} × {name}" if names.count(name) > 1 else name for name in dict.fromkeys(names)]
    machine = ", ".join(counted) or f"{platform.machine()} CPU, {os.cpu_count()} cores"
    processes = f" of each of {process()[1]} processes" if process()[1] > 1 else ""
    return f"{keras.backend.backend()} on {machine}{processes}"


def gpus_multiply_bfloat16() -> bool:
    """Whether there are GPUs, and all of them have an instruction that multiplies in bfloat16."""
    found = gpus()
    return bool(found) and all(gpu.capability >= BFLOAT16_FROM for gpu in found)


def process() -> tuple[int, int]:
    """The number of this process, from 0, and how many processes train together."""
    if keras.backend.backend() != "jax":
        return 0, 1
    import jax

    return jax.process_index(), jax.process_count()


def join_processes() -> None:
    """Join the other processes that train together, where Keras' environment variables name them (JAX alone).

    Must come before anything that uses a device.

    Raises:
        UserError: the backend is not JAX, or the others cannot be joined.
    """
    if not os.environ.get("KERAS_DISTRIBUTION_NUM_PROCESSES"):
        return
    if keras.backend.backend() != "jax":
        backend = keras.backend.backend()
        raise UserError(f"several processes train together on JAX alone, KERAS_BACKEND is {backend}; it may be jax")
    try:
        keras.distribution.initialize()
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(f"KERAS_DISTRIBUTION_JOB_ADDRESSES: the other processes cannot be joined ({reason})") from error


def agree(facts: str) -> None:
    """Make sure that all processes that train together begin with the same `facts`.

    Raises:
        UserError: they do not; without this they would wait for each other for ever.
    """
    if process()[1] == 1:
        return
    import numpy as np
    from jax.experimental.multihost_utils import process_allgather

    if len(set(process_allgather(np.uint32(zlib.crc32(facts.encode()))).tolist())) > 1:
        raise UserError(f"the processes begin with different things, this one with {facts}")


@contextmanager
def data_parallel() -> Iterator[int]:
    """Inside it a network is built and trained on all devices at once, each with its shard of a batch.

    Yields the number of shards that a batch must divide into; with one device nothing is different.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        several = len(devices) > 1
        strategy = tf.distribute.MirroredStrategy([device.name for device in devices]) if several else None
        with strategy.scope() if strategy else nullcontext():
            yield len(devices)
        return
    if keras.backend.backend() == "jax" and len(keras.distribution.list_devices()) > 1:
        before = keras.distribution.distribution()
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
        try:
            yield len(keras.distribution.list_devices())
        finally:
            keras.distribution.set_distribution(before)
        return
    yield 1
