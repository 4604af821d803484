"""What the way to an answer costs beside the network itself: over HTTP, for a folder of files, and from a cold start.

    python benchmarks/serving.py [folder of radiographs] [--model cnn] [--size 128]

Without a folder it makes JPEGs of 224 x 224 pixels itself. The network has random weights and its ONNX twin, and is
registered in a store of its own. Of HTTP and Python, and of packed films and files, medians of rounds taken by turns.
"""

import argparse
import base64
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import mlflow
import numpy as np
from PIL import Image

from pneumonia.annotations.labels import class_names
from pneumonia.inference.decision import Decision
from pneumonia.inference.familiarity import fit
from pneumonia.inference.keras_network import KerasNetwork
from pneumonia.inference.network import BATCH
from pneumonia.inference.predictor import KERAS_MODEL, TWIN, Predictor
from pneumonia.inference.twin import write_twin
from pneumonia.params import choices
from pneumonia.params.choices import networks
from pneumonia.params.load import load_params
from pneumonia.radiographs.read import read_radiograph, resize
from pneumonia.registry.pyfunc_model import log_radiograph_model
from pneumonia.training.devices import describe

REQUESTS, FILMS, ROUNDS, CLIENTS = 100, 640, 5, 16


def main() -> None:
    parser = argparse.ArgumentParser(description="Latency over HTTP, throughput of a folder, and start time.")
    parser.add_argument("folder", type=Path, nargs="?", help="JPEG films; made where none is given")
    parser.add_argument("--model", choices=networks(), default="cnn")
    parser.add_argument("--size", type=int, default=128)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        files = sorted((given.folder or make_films(work / "films", 64)).resolve().rglob("*.jp*g"))[:FILMS]
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{work / 'mlflow.db'}"
        os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
        mlflow.create_experiment("benchmark", artifact_location=(work / "mlruns").as_uri())
        mlflow.set_experiment("benchmark")
        images = np.stack([resize(read_radiograph(file).pixels, given.size) for file in files])
        register(work / "model", given.model, images)
        print(f"{describe()}, {given.model} at {given.size} x {given.size}, {len(files)} films, medians")
        network(Predictor.load(work / "model"), images[:1, ..., None])
        latency(files[0].read_bytes())
        crowd(files[0].read_bytes())
        throughput(Predictor.load(work / "model"), (files * FILMS)[:FILMS])
        start(files[0])


def make_films(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        coarse = np.random.default_rng(number).integers(0, 256, (14, 14), dtype=np.uint8)
        Image.fromarray(coarse).resize((224, 224), Image.Resampling.BICUBIC).save(folder / f"{number}.jpeg", quality=90)
    return folder


def register(directory: Path, name: str, images: np.ndarray) -> None:
    params, classes = load_params(Path(__file__).parents[1] / "params.yaml"), class_names("binary")
    directory.mkdir()
    size = images.shape[1]
    model = choices.network(name).build(getattr(params.models, name), size, 1, None)
    model.save(directory / KERAS_MODEL)
    write_twin(model, images[..., None], directory / TWIN)
    values = {
        "task": "binary",
        "classes": classes,
        "image_size": size,
        "min_size": 28,
        "temperature": 1,
        "rule": "none",
    }
    Decision(**values, threshold=0.5).save(directory / "decision.json")
    fit(images).save(directory / "familiarity.npz")
    with mlflow.start_run():
        log_radiograph_model(directory, "model", "pneumonia-binary")
    mlflow.MlflowClient().set_registered_model_alias("pneumonia-binary", "champion", "1")


def network(predictor: Predictor, film: np.ndarray) -> None:
    original = KerasNetwork(predictor.keras_model())
    twin_seconds, keras_seconds = by_turns(REQUESTS, lambda: predictor.network(film), lambda: original(film))
    print(f"{'the network, one film, by ONNX':34}{twin_seconds * 1e3:8.1f} ms")
    print(f"{'the same by Keras':34}{keras_seconds * 1e3:8.1f} ms")


def latency(film: bytes) -> None:
    model = mlflow.pyfunc.load_model("models:/pneumonia-binary@champion")
    with server(os.cpu_count() or 1) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        http_seconds, python_seconds = by_turns(REQUESTS, lambda: ask(connection, film), lambda: model.predict([film]))
    print(f"{'one film, in Python':34}{python_seconds * 1e3:8.1f} ms")
    print(f"{'one film, over HTTP':34}{http_seconds * 1e3:8.1f} ms")
    print(f"{'ratio':34}{http_seconds / python_seconds:8.2f}   (wanted: 1.3 at the most)")


def ask(connection: http.client.HTTPConnection, film: bytes) -> None:
    body = json.dumps({"dataframe_records": [{"film": base64.b64encode(film).decode()}]})
    connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    response.read()
    if response.status != 200:
        raise RuntimeError(f"status {response.status}")


def crowd(film: bytes) -> None:
    """Many clients at once, of a server that may use one core, of one that may use all, and of a process for each."""
    rates = {}
    every = os.cpu_count() or 1
    for cores, workers in sorted({(1, 1), (every, 1), (every, every)}):

        def client(port: int, requests: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            for _ in range(requests):
                ask(connection, film)

        with server(cores, workers) as port, ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(client, [port] * CLIENTS, [5] * CLIENTS))  # warm
            started = time.perf_counter()
            list(clients.map(client, [port] * CLIENTS, [REQUESTS // 4] * CLIENTS))
            rates[cores, workers] = CLIENTS * (REQUESTS // 4) / (time.perf_counter() - started)
        what = f"{CLIENTS} clients, {cores} core(s), {workers} worker(s)"
        ratio = rates[cores, workers] / rates[1, 1]
        print(f"{what:34}{rates[cores, workers]:8.0f} films/s, {ratio:.2f} of one core's, none failed")


@contextmanager
def server(cores: int, workers: int = 1) -> Iterator[int]:
    """The port of `mlflow models serve` on so many cores, with so many processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", "models:/pneumonia-binary@champion"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # MLflow starts uvicorn by its name
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": {**os.environ, "PATH": path}}
    process = subprocess.Popen(
        [*command, "--env-manager", "local", "--port", str(port), "--workers", str(workers)],
        start_new_session=True,
        preexec_fn=lambda: os.sched_setaffinity(0, range(cores)),
        **silent,
    )
    try:
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            try:
                connection.request("GET", "/ping")
                connection.getresponse().read()
                break
            except ConnectionError:
                if process.poll() is not None:
                    raise
                time.sleep(0.2)
        yield port
    finally:
        os.killpg(process.pid, 15)
        process.wait()


def throughput(classifier: Predictor, files: list[Path]) -> None:
    size = classifier.decision.image_size
    images = np.stack([resize(read_radiograph(file).pixels, size) for file in files])

    def packed() -> None:
        for start in range(0, len(images), BATCH):
            classifier.probabilities(images[start : start + BATCH])

    packed_seconds, files_seconds = by_turns(ROUNDS, packed, lambda: list(classifier.predict_files(files)))
    print(f"{'packed films, network alone':34}{len(files) / packed_seconds:8.0f} films/s")
    print(f"{'the same from JPEG files':34}{len(files) / files_seconds:8.0f} films/s")
    print(f"{'ratio':34}{packed_seconds / files_seconds:8.2f}   (wanted: 0.9 at the least)")


def start(file: Path) -> None:
    command = [sys.executable, "-m", "pneumonia.commands.cli", "predict", str(file)]

    def predict() -> None:
        subprocess.run(command, check=True, capture_output=True)

    print(f"{'`pneumonia predict` of one film':34}{by_turns(5, predict)[0]:8.2f} s   (wanted: 2; 3.5 at the most)")


def by_turns(rounds: int, *functions: Callable[[], object]) -> list[float]:
    """The median seconds of each function, after one call that does not count."""
    for function in functions:
        function()
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds):
        for function, taken in zip(functions, seconds, strict=True):
            started = time.perf_counter()
            function()
            taken.append(time.perf_counter() - started)
    return [statistics.median(taken) for taken in seconds]


if __name__ == "__main__":
    main()
