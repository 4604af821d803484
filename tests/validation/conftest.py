"""A hospital, a model that was evaluated and registered there, and films of another hospital."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import mlflow
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pneumonia.evaluation.evaluate import evaluate
from pneumonia.params.load import load_params
from pneumonia.registry.runs import log_evaluation, start_run
from pneumonia.registry.store import open_store
from pneumonia.registry.versions import register
from pneumonia.sources.shared.raw import BOX_COLUMNS

from ..conftest import write_params

SIDE = 32
MIDDLE = (slice(8, 24), slice(8, 24))


def films(seed: int, number: int, sick: np.ndarray, noise: float = 25, base: float = 90) -> np.ndarray:
    """Films, uint8 (N, 32, 32), of soft clouds about a grey, brighter in the middle by 60 where they are `sick`."""
    rng = np.random.default_rng(seed)
    clouds = rng.normal(0, 14, (number, 8, 8)).repeat(4, axis=1).repeat(4, axis=2)
    images = base + clouds - clouds.mean(axis=(1, 2), keepdims=True) + rng.normal(0, 3, (number, SIDE, SIDE))
    images[:, *MIDDLE] += (60 * sick + rng.normal(0, noise, number))[:, None, None]
    return images.clip(0, 255).astype(np.uint8)


def network(outputs: int = 1) -> keras.Model:
    """Its logit is the mean grey of the middle less 120, over 10; of three classes the sick ones share it."""
    film = keras.Input((SIDE, SIDE, 1), name="film")
    same = keras.layers.Conv2D(1, 1, kernel_initializer="ones", name="same")(film)
    mean = keras.layers.Conv2D(1, SIDE, name="mean")
    grey = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(0.1, -12)(mean(same)))
    output = keras.layers.Dense(outputs, "sigmoid" if outputs == 1 else "softmax", name="probability")
    model = keras.Model(film, output(grey), name="toy")
    weights = np.zeros((SIDE, SIDE, 1, 1), "float32")
    weights[MIDDLE] = 1 / weights[MIDDLE].size
    mean.set_weights([weights, np.zeros(1)])
    output.set_weights([np.float32([[1.0]] if outputs == 1 else [[-0.5, 0.6, 0.4]]), np.zeros(outputs)])
    return model


def write_home(root: Path, labels: list[str], classes: Callable[[str], str]) -> np.ndarray:
    """`data` in `root`: 240 films of as many patients, 80 in each part; the films."""
    all_labels = np.array((labels * 60)[:240])
    sick = all_labels != "normal"
    images = films(0, 240, sick)
    clean = root / "data" / "clean"
    clean.mkdir(parents=True)
    np.save(clean / "images.npy", images)
    table = pd.DataFrame(
        {
            "image": range(240),
            "file": [f"images/{number}.png" for number in range(240)],
            "label": all_labels,
            "class": [classes(label) for label in all_labels],
            "patient": [f"patient{number:03}" for number in range(240)],
            "part": np.repeat(["train", "val", "test"], 80),
        }
    )
    table.to_csv(root / "data" / "split.csv", index=False)
    encoding = {"width": SIDE, "height": SIDE, "mode": "L", "format": "PNG", "quality": "", "bytes": 900}
    table[["file", "label", "patient"]].assign(**encoding, view="PA", age=5).to_csv(clean / "index.csv", index=False)
    pd.DataFrame(columns=BOX_COLUMNS).to_csv(clean / "boxes.csv", index=False)
    return images


@dataclass
class Place:
    """The folder that is worked in, and the films of the home hospital."""

    root: Path
    images: np.ndarray

    @property
    def store(self) -> str:
        """The address of its MLflow store. A relative one would be the first that MLflow opened."""
        return f"sqlite:///{self.root / 'mlflow.db'}"

    def write(self, images: np.ndarray, rows: pd.DataFrame, name: str = "elsewhere") -> Path:
        """`images` as PNG, and a table of them with the columns of `rows`; its path."""
        folder = self.root / name
        folder.mkdir()
        for number, image in enumerate(images):
            Image.fromarray(image).save(folder / f"{number}.png")
        table = folder / f"{name}.csv"
        rows.assign(file=[f"{number}.png" for number in range(len(images))]).to_csv(table, index=False)
        return table

    def elsewhere(self, number: int = 120, seed: int = 1, **kind: float) -> tuple[np.ndarray, pd.DataFrame]:
        """Films of another hospital, half of them sick, and their rows."""
        sick = np.arange(number) % 2 == 1
        labels = np.where(sick, "pneumonia", "normal")
        patients = [f"other{each:03}" for each in range(number)]
        return films(seed, number, sick, **kind), pd.DataFrame({"label": labels, "patient": patients})


def register_home(root: Path, task: str = "binary", changes: dict[str, object] | None = None) -> None:
    """Evaluate and register the network in the working directory `root`, which has data and a database."""
    params = load_params(
        write_params(
            root / "params.yaml",
            {"task": task, "evaluate.draws": 200, "clean.image_size": 32, "clean.min_size": 16, **(changes or {})},
        )
    )
    model = network(3 if task == "multiclass" else 1)
    models, reports, data = root / "models", root / "reports", root / "data"
    models.mkdir()
    model.save(models / "model.keras")
    history = pd.DataFrame(
        {"epoch": [1], **{f"{of}{m}": [0.5] for of in ("", "val_") for m in ("loss", "accuracy", "auc")}}
    )
    outcome = evaluate(model, params, data, history, "random", models, reports)
    open_store("pneumonia")
    with start_run(params, data):
        log_evaluation(outcome.metrics, outcome.intervals, [], outcome.decision.temperature, reports)
        register(params, outcome, "A card.", data, models, reports)


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Place:
    """The hospital with its registered model, made once: tests work in copies."""
    root = tmp_path_factory.mktemp("home")
    images = write_home(
        root, ["normal", "bacterial", "normal", "viral"], lambda label: "normal" if label == "normal" else "pneumonia"
    )
    shutil.copy(empty_database, root / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        register_home(root)
    mlflow.set_tracking_uri(None)
    return Place(root, images)


@pytest.fixture
def home(registered: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """The hospital as the working directory; what is written there beside its own files is taken away."""
    before = set(registered.root.iterdir())
    monkeypatch.chdir(registered.root)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    yield registered
    for path in set(registered.root.iterdir()) - before:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    mlflow.set_tracking_uri(None)
