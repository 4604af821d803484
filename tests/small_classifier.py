"""Networks whose predictions one can work out by hand, and films for them."""

import io
from pathlib import Path

import keras
import mlflow
import numpy as np
from PIL import Image

from pneumonia.annotations.labels import class_names
from pneumonia.inference.decision import Decision, Localization
from pneumonia.inference.familiarity import Familiarity, fit
from pneumonia.inference.keras_network import KerasNetwork
from pneumonia.inference.postprocessing import Postprocessing
from pneumonia.inference.predictor import TWIN, Predictor
from pneumonia.inference.twin import write_twin
from pneumonia.registry.pyfunc_model import log_radiograph_model

SIZE, MIN_SIZE = 64, 28


def thorax(seed: int, size: int = 96) -> np.ndarray:
    """Two dark lungs beside a bright spine, uint8 (size, size), a little different for each seed."""
    rng = np.random.default_rng(seed)
    y, x = (np.indices((size, size)) + 0.5) / size
    film = 150 + 60 * np.exp(-(((x - 0.5) / 0.08) ** 2)) + rng.normal(0, 4, (size, size))
    for middle in (0.28, 0.72):
        height, width = rng.uniform(0.28, 0.34), rng.uniform(0.13, 0.17)
        lung = ((x - middle - rng.normal(0, 0.01)) / width) ** 2 + ((y - 0.45 - rng.normal(0, 0.02)) / height) ** 2 < 1
        film -= rng.uniform(80, 100) * lung
    return film.clip(0, 255).astype(np.uint8)


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def brightness_network() -> keras.Model:
    """The probability of pneumonia is a film's mean grey as a share of 255."""
    film = keras.Input((SIZE, SIZE, 1))
    share = keras.layers.Rescaling(1 / 255)(film)
    return keras.Model(film, keras.layers.GlobalAveragePooling2D(dtype="float32")(share))


def constant_network(probabilities: list[float]) -> keras.Model:
    """The same probabilities of the classes for every film."""
    film = keras.Input((SIZE, SIZE, 1))
    head = keras.layers.Dense(len(probabilities), activation="softmax", kernel_initializer="zeros")
    network = keras.Model(film, head(keras.layers.GlobalAveragePooling2D()(film)))
    head.bias.assign(np.log(probabilities))
    return network


def spotted(*boxes: tuple[float, ...], height: int = 96, width: int = 128, seed: int = 0) -> np.ndarray:
    """Dark noise, uint8 (height, width), with bright `boxes`: x, y, width, height in pixels, and a grey over 150."""
    film = np.random.default_rng(seed).normal(60, 4, (height, width))
    for x, y, box_width, box_height, grey in boxes:
        film[round(y) : round(y + box_height), round(x) : round(x + box_width)] = grey
    return film.clip(0, 255).astype(np.uint8)


def spot_localiser() -> keras.Model:
    """Its mask is where a film is brighter than 150, in squares of four pixels; the film's probability is the mask's
    maximum: one half at a grey of 150, 0.73 at 170.
    """
    film = keras.Input((SIZE, SIZE, 1), name="film")
    coarse = keras.layers.AveragePooling2D(4)(keras.layers.Rescaling(1 / 20, -7.5)(film))
    same = keras.layers.Conv2D(1, 1, activation="sigmoid", kernel_initializer="ones")(coarse)
    mask = keras.layers.UpSampling2D(4, name="mask")(same)
    probability = keras.layers.GlobalMaxPooling2D(name="probability", dtype="float32")(same)
    return keras.Model(film, [mask, probability], name="spots")


def localising(threshold: float = 0.6) -> Decision:
    """Of `spot_localiser`: films are called from 0.5 on, boxes are shown from `threshold` on."""
    return Decision(
        task="localize",
        classes=class_names("localize"),
        image_size=SIZE,
        min_size=MIN_SIZE,
        temperature=1,
        threshold=0.5,
        rule="by hand",
        localization=Localization(head="resnet_seg", postprocessing=Postprocessing(threshold, 0.5, 1.0)),
    )


def decision(task: str = "binary", temperature: float = 1.0, threshold: float = 0.5) -> Decision:
    return Decision(
        task=task,
        classes=class_names(task),
        image_size=SIZE,
        min_size=MIN_SIZE,
        temperature=temperature,
        threshold=threshold,
        rule="by hand",
    )


def predictor_of(network: keras.Model, chosen: Decision, familiarity: Familiarity) -> Predictor:
    """The predictor that asks `network` by Keras."""
    return Predictor(KerasNetwork(network), chosen, familiarity, lambda: network)


def write_classifier(directory: Path, network: keras.Model, chosen: Decision) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    network.save(directory / "model.keras")
    chosen.save(directory / "decision.json")
    fit(np.stack([thorax(seed) for seed in range(100)])).save(directory / "familiarity.npz")
    return directory


def write_with_twin(directory: Path, network: keras.Model, chosen: Decision) -> Path:
    """As `write_classifier`, with the network's ONNX twin, checked on films of noise."""
    write_classifier(directory, network, chosen)
    films = np.random.default_rng(0).integers(0, 255, (40, SIZE, SIZE, 1), dtype=np.uint8)
    write_twin(network, films, directory / TWIN)
    return directory


def register_classifier(store: Path, directory: Path, name: str = "pneumonia-binary") -> str:
    """Register the classifier in `directory` as version 1 and champion of `name`; the new store's URI."""
    uri = f"sqlite:///{store / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    try:
        experiment = mlflow.create_experiment("test", artifact_location=(store / "mlruns").as_uri())
        with mlflow.start_run(experiment_id=experiment):
            log_radiograph_model(directory, "model", name)
        mlflow.MlflowClient().set_registered_model_alias(name, "champion", "1")
    finally:
        mlflow.set_tracking_uri(None)
    return uri
