"""Compiled programs are kept for the next process: on a GPU a network may compile for minutes to train for seconds.

On JAX alone. TensorFlow has a flag for the same (`--tf_xla_persistent_cache_directory` in `TF_XLA_FLAGS`), but with it
a damaged file, or a folder that cannot be written, ends the training.
"""

import os
from contextlib import AbstractContextManager, nullcontext

import keras

from pneumonia.params.paths import user_cache

COMPILED = "/jax/core/compile/backend_compile_duration"
"""JAX's event of a program that was compiled or taken from the cache."""

_seconds: list[float] = []


def keep_compiled_programs() -> None:
    """Have JAX keep what it compiles in the user's cache, and take it from there; what JAX's variables say counts.

    A cache that cannot be written or is damaged costs time and nothing else: JAX then compiles, and warns, at each
    start until the damaged file, or the folder, is removed.
    """
    if keras.backend.backend() != "jax":
        return
    import jax

    for name, value in {
        "jax_compilation_cache_dir": str(user_cache() / "compiled"),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }.items():
        if name.upper() not in os.environ:  # what the user has set stays
            jax.config.update(name, value)
    jax.monitoring.register_event_duration_secs_listener(_note)


def _note(event: str, duration_secs: float, **facts: str | int) -> None:
    if event == COMPILED:
        _seconds.append(duration_secs)


def compile_seconds() -> float:
    """How long this process has compiled since `keep_compiled_programs`; 0 on backends other than JAX."""
    return sum(_seconds)


def on_the_processor() -> AbstractContextManager[object]:
    """Within it JAX computes on the processor: first weights take some sixty small programs, quicker to compile there.

    What it makes moves to the device with the first step that uses it. Where JAX may not use the processor
    (`JAX_PLATFORMS`), nothing is different.
    """
    if keras.backend.backend() != "jax":
        return nullcontext()
    import jax

    try:
        processor, *_ = jax.local_devices(backend="cpu")
    except RuntimeError:
        return nullcontext()
    return jax.default_device(processor)
