"""A network by ONNX Runtime, which starts and answers sooner than Keras does (see docs/benchmarks.md)."""

from pathlib import Path

import numpy as np
import onnxruntime

from pneumonia.errors import UserError
from pneumonia.inference.network import Shape


class OnnxNetwork:
    """The `Network` in an ONNX file.

    Raises:
        UserError: there is no such file, or it holds no network of films.
    """

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors
        # Threads that wait for the next film would take the cores from the processes that decode it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            # From bytes: a file on the disk may name others beside it as its weights.
            session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
            [film] = session.get_inputs()
            if film.type != "tensor(float)" or any(output.type != film.type for output in session.get_outputs()):
                raise ValueError("its numbers are not float32")
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from error
        except Exception as error:  # ONNX Runtime has a class for each failure, and no common one
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"{path}: cannot be read as an .onnx file ({reason}); it may be another file, or damaged"
            ) from error
        self._session, self._film = session, film.name
        self.film_shape: Shape = tuple(film.shape[1:])
        self.output_shapes: list[Shape] = [tuple(output.shape[1:]) for output in session.get_outputs()]

    def __call__(self, films: np.ndarray) -> list[np.ndarray]:
        """The outputs for the `films`: see `Network`."""
        outputs: list[np.ndarray] = self._session.run(None, {self._film: films.astype(np.float32, copy=False)})
        return outputs
