"""What a killed training leaves behind, so that the next one goes on where it stopped."""

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pneumonia.outputs import fingerprint, whole_file
from pneumonia.params.load import Params
from pneumonia.params.paths import user_path

log = logging.getLogger(__name__)

CODE = ("training", "models/shared", "models/{model}", "preparation/packed", "annotations", "radiographs/jpeg_table.py")
"""The code in this package that training runs: the dependencies of `train` in dvc.yaml."""


@dataclass(frozen=True)
class State:
    """A training after a whole epoch.

    `rows` are the history so far, and `precision` is what the network is trained in. `weights` says where the first
    weights came from. `variables` are all that the next step depends on (weights, statistics, random generators, then
    the optimizer's). `best` are the weights of the best epoch.
    """

    rows: list[dict[str, float]]
    precision: str
    weights: str
    variables: list[np.ndarray]
    best: list[np.ndarray]


@dataclass(frozen=True)
class Checkpoint:
    """The one file that holds a training's last state and its MLflow run.

    `identity` says what is trained on what: a state with another identity belongs to another training.
    """

    path: Path
    identity: str

    def read(self) -> tuple[State, str] | None:
        """The state that was left and its run's id, or None where none with this identity can be read.

        A damaged file is told, and the training begins anew.
        """
        try:
            with np.load(self.path) as file:
                facts = json.loads(str(file["facts"]))
                if facts["identity"] != self.identity:
                    return None
                variables = [file[f"variable_{number}"] for number in range(facts["variables"])]
                best = [file[f"best_{number}"] for number in range(facts["best"])]
        except FileNotFoundError:
            return None
        except Exception as error:  # NumPy raises anything of a damaged file, from EOFError to zlib.error
            log.warning("%s cannot be read (%s), so training begins anew", self.path, _one_line(error))
            return None
        return State(facts["rows"], facts["precision"], facts["weights"], variables, best), facts["run_id"]

    def write(self, state: State, run_id: str) -> None:
        """Replace the state as a whole."""
        facts = {
            "identity": self.identity,
            "run_id": run_id,
            "rows": state.rows,
            "precision": state.precision,
            "weights": state.weights,
            "variables": len(state.variables),
            "best": len(state.best),
        }
        arrays: dict[str, Any] = {f"variable_{number}": values for number, values in enumerate(state.variables)}
        arrays |= {f"best_{number}": values for number, values in enumerate(state.best)}
        with whole_file(self.path) as partial:
            np.savez(partial, facts=json.dumps(facts), **arrays)

    def remove(self) -> None:
        """Forget the state: the training is complete."""
        self.path.unlink(missing_ok=True)


def _one_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:100] or type(error).__name__


def identity(params: Params, data: Path) -> str:
    """A fingerprint of what is trained on what: parameters, films, rows, own weights, the code of `CODE`, the backend.

    `data` holds `clean/images.npy`, `split.csv` and `train.csv`.
    """
    chosen = params.model_dump_json(include={"seed", "task", "model", "train", "tracking"})
    words = [chosen, params.chosen_model.model_dump_json(), keras.backend.backend(), keras.__version__]
    package = Path(__file__).parents[1]
    places = [package / place.format(model=params.model) for place in CODE]
    code = sorted(file for place in places for file in ([place] if place.is_file() else place.rglob("*.py")))
    tables = [data / "split.csv", data / "train.csv"] + [data / "clean" / "boxes.csv"] * (params.task == "localize")
    files = [data / "clean" / "images.npy", *tables, *code]
    own = user_path(params.chosen_model.weights)
    files += [own] if own.is_file() else []
    return hashlib.sha256("\n".join([*words, fingerprint(files)]).encode()).hexdigest()
