"""By how much bfloat16 moves a trained network's logits, part by part, on the test films of this folder.

    dvc repro && python benchmarks/bfloat16.py

The network in `models/` was trained in float32. Each row has one part more in float32 than the row above; the last one
has only the scaling of the film in bfloat16, as it was once.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from pneumonia.models.shared.weights import read_network
from pneumonia.preparation.packed.films import open_images

Layer = dict[str, Any]


def _is_scaling(layer: Layer) -> bool:
    return layer["class_name"] in ("InputLayer", "Rescaling", "Concatenate")


def _is_norm(layer: Layer) -> bool:
    return layer["class_name"] == "BatchNormalization"


def _is_dense(layer: Layer) -> bool:
    return layer["class_name"] == "Dense"


IN_BFLOAT16: dict[str, Callable[[Layer], bool]] = {
    "all but the head": lambda layer: True,
    "all but the head and the scaling": lambda layer: not _is_scaling(layer),
    "… and the norms": lambda layer: not (_is_scaling(layer) or _is_norm(layer)),
    "… and the dense layers": lambda layer: not (_is_scaling(layer) or _is_norm(layer) or _is_dense(layer)),
    "only the scaling": lambda layer: layer["class_name"] == "Rescaling",
}


def mixed(network: keras.Model, in_bfloat16: Callable[[Layer], bool]) -> keras.Model:
    config = network.get_config()
    for layer in config["layers"]:
        if "dtype" in layer["config"]:
            low = in_bfloat16(layer) and layer["config"]["name"] not in ("film", "probability")
            layer["config"]["dtype"] = "mixed_bfloat16" if low else "float32"
    copy = keras.Model.from_config(config)
    copy.set_weights(network.get_weights())
    return copy


def logits(network: keras.Model, films: np.ndarray) -> np.ndarray:
    probability = np.clip(network.predict(films, verbose=0).astype("float64"), 1e-7, 1 - 1e-7)
    return np.log(probability / (1 - probability))


def main() -> None:
    network = read_network(Path("models/model.keras"))
    split = pd.read_csv("data/split.csv")
    rows = split.loc[split["part"] == "test", "image"].to_numpy()
    films = open_images(Path("data/clean"))[rows][..., None].astype("float32")
    expected = logits(network, films)
    print(f"{len(films)} test films, logits of standard deviation {expected.std():.2f} in float32")
    print("in bfloat16                        root mean square   greatest")
    for name, in_bfloat16 in IN_BFLOAT16.items():
        difference = logits(mixed(network, in_bfloat16), films) - expected
        print(f"{name:34} {np.sqrt((difference**2).mean()):16.3f} {np.abs(difference).max():10.3f}")


if __name__ == "__main__":
    main()
