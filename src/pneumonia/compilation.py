"""Compiled programs are kept for the next process: on a GPU a network may compile for minutes to train for seconds.

On JAX alone. TensorFlow has a flag for the same (`--tf_xla_persistent_cache_directory` in `TF_XLA_FLAGS`), but with it
a damaged file, or a folder that cannot be written, ends the training.
"""

import os

import keras

from pneumonia.params.paths import user_cache


def keep_compiled_programs() -> None:
    """Have JAX keep what it compiles in the user's cache, and take it from there; `JAX_COMPILATION_CACHE_DIR` counts.

    A cache that cannot be written or is damaged costs time and nothing else: JAX then compiles, and warns.
    """
    if keras.backend.backend() != "jax":
        return
    import jax

    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(user_cache() / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
