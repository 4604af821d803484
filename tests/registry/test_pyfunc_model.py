"""The registered model in this process and behind a real `mlflow models serve`."""

import base64
import json
import os
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import packages_distributions
from pathlib import Path

import keras
import mlflow
import numpy as np
import pandas as pd
import pytest
import requests

from pneumonia.inference.decision import Abstention
from pneumonia.models.cnn import network as cnn
from pneumonia.params.load import load_params
from pneumonia.radiographs.read import resize
from pneumonia.registry.pyfunc_model import REQUIREMENTS, RefusedFilm, model_version

from ..conftest import REPOSITORY
from ..environments import make_environment
from ..hostile_films import HOSTILE
from ..small_classifier import (
    SIZE,
    brightness_network,
    constant_network,
    decision,
    localising,
    png,
    register_classifier,
    spot_localiser,
    spotted,
    thorax,
    write_classifier,
    write_with_twin,
)

MODEL = "models:/pneumonia-binary@champion"
FILMS = [png(thorax(0)), png(np.rot90(thorax(1)).copy())]
BOMB = png(np.zeros((8001, 8000), bool))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry with a small cnn."""
    folder = tmp_path_factory.mktemp("store")
    keras.utils.set_random_seed(0)
    network = cnn.build(load_params(REPOSITORY / "params.yaml").models.cnn, SIZE, 1, None)
    films = np.stack([resize(thorax(seed), SIZE) for seed in range(8)])[..., None]
    for _ in range(30):  # the first statistics of its batch norms would let no film through
        network(films, training=True)
    directory = write_with_twin(folder / "models", network, decision(temperature=1.5, threshold=0.4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", register_classifier(folder, directory))
        yield os.environ["MLFLOW_TRACKING_URI"]


@pytest.fixture(scope="module")
def server(store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that runs without the repository on its path: the model brings the package."""
    with serving(tmp_path_factory.mktemp("server"), MODEL, Path(sys.executable)) as address:
        yield address


@contextmanager
def serving(folder: Path, model: str, python: Path) -> Iterator[str]:
    """The address of `mlflow models serve` in the environment of `python`, with `folder` as the working directory."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    command = [python, "-m", "mlflow", "models", "serve", "--model-uri", model, "--env-manager", "local"]
    folder.mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PATH"] = f"{python.parent}:{environment['PATH']}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--port", address.rpartition(":")[2]],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        for _ in range(300):
            try:
                requests.get(f"{address}/ping", timeout=5)
                break
            except requests.ConnectionError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.2)
        yield address
    finally:
        os.killpg(process.pid, 15)
        process.wait()


def base64_text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def post(server: str, *films: object) -> requests.Response:
    rows = [{"film": film} for film in films]
    return requests.post(f"{server}/invocations", json={"dataframe_records": rows}, timeout=60)


def test_every_form_of_a_film_gets_the_same_row(store: str, tmp_path: Path) -> None:
    model = mlflow.pyfunc.load_model(MODEL)
    paths = [tmp_path / f"{number}.png" for number in range(len(FILMS))]
    for path, film in zip(paths, FILMS, strict=True):
        path.write_bytes(film)
    rows = model.predict(FILMS)
    assert list(rows) == ["label", "probability", "threshold", "model_version", "remark"]
    assert rows["probability"].nunique() == 2
    assert rows["model_version"].tolist() == ["1", "1"]
    assert [bool(remark) for remark in rows["remark"]] == [False, True]
    texts = [base64_text(film) for film in FILMS]
    for form in (paths, texts, *(pd.DataFrame({"film": films}) for films in (FILMS, paths, texts))):
        pd.testing.assert_frame_equal(model.predict(form), rows)


def test_over_http_a_film_gets_the_row_that_it_gets_in_python(store: str, server: str) -> None:
    model = mlflow.pyfunc.load_model(MODEL)
    for films in (FILMS, FILMS[:1], FILMS[:1] * 40):
        answer = post(server, *map(base64_text, films))
        assert answer.status_code == 200, answer.text
        expected = model.predict(films)
        got = pd.DataFrame(answer.json()["predictions"])
        pd.testing.assert_frame_equal(got, expected, check_dtype=False, rtol=1e-5)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_film_is_refused_and_the_server_answers_the_next(server: str, name: str) -> None:
    made, reason = HOSTILE[name]
    refused = post(server, base64_text(made()))
    assert refused.status_code == 400
    assert refused.json()["message"].startswith(f"film 0: {reason}")
    assert post(server, base64_text(FILMS[0])).status_code == 200


def test_what_is_no_film_is_refused_with_a_line_and_the_server_lives_on(server: str, tmp_path: Path) -> None:
    path = tmp_path / "film.png"
    path.write_bytes(FILMS[0])
    not_base64 = "text that is no base64"
    expected = {
        str(path): not_base64,
        path.as_uri(): not_base64,
        "": "empty",
        base64_text(FILMS[0])[:-5]: not_base64,
        base64_text(FILMS[0][:-1000]): "truncated",
        base64_text(b"hello"): "not an image",
        base64_text(png(np.zeros((64, 64), np.uint8))): "constant: every pixel is 0",
        base64_text(png(thorax(0, size=20))): "too small: 20 x 20 pixels",
        base64_text(BOMB): "decompression bomb: 8000 x 8001 pixels",
        "A" * 67_000_000: "too long: 50,250,000 bytes",
        None: "is NoneType",
        5: "is int",
    }
    for film, reason in expected.items():
        answer = post(server, film)
        assert answer.status_code == 400
        message = answer.json()["message"]
        assert message.startswith(f"film 0: {reason}")
        assert "\n" not in message
        assert len(message) < 200
    assert post(server, base64_text(FILMS[0]), "").json()["message"] == "film 1: empty"
    assert post(server).status_code == 400
    csv = {"data": f"film\n{path}\n", "headers": {"Content-Type": "text/csv"}, "timeout": 60}
    assert not_base64 in requests.post(f"{server}/invocations", **csv).json()["message"]
    assert post(server, base64_text(FILMS[0])).status_code == 200


def test_in_python_text_is_no_path_either(store: str, tmp_path: Path) -> None:
    (tmp_path / "film.png").write_bytes(FILMS[0])
    with pytest.raises(RefusedFilm, match=r"film 0: text that is no base64; .* must be a pathlib\.Path"):
        mlflow.pyfunc.load_model(MODEL).predict([str(tmp_path / "film.png")])


def test_the_model_keeps_code_files_and_exact_requirements_but_no_pickle(store: str) -> None:
    model = Path(mlflow.artifacts.download_artifacts(artifact_uri="models:/pneumonia-binary/1"))
    assert (model / "code" / "pneumonia" / "radiographs" / "read.py").is_file()
    assert {path.name for path in (model / "artifacts").iterdir()} == {
        "model.keras",
        "model.onnx",
        "decision.json",
        "familiarity.npz",
    }
    assert not (model / "code" / "pneumonia" / "model_to_try").exists()
    assert not [path for path in model.rglob("*") if path.suffix in (".pkl", ".pyc")]
    requirements = (model / "requirements.txt").read_text().split()
    assert all("==" in each for each in requirements)
    assert not {"tensorflow", "keras", "mlflow"} & {each.partition("==")[0] for each in requirements}


@pytest.mark.parametrize("twin", [True, False])
def test_keras_is_loaded_only_where_there_is_no_twin(tmp_path: Path, twin: bool) -> None:
    write = write_with_twin if twin else write_classifier
    store = register_classifier(tmp_path, write(tmp_path / "models", brightness_network(), decision()))
    (tmp_path / "film.png").write_bytes(FILMS[0])
    code = f"""
import mlflow, sys
from pathlib import Path
row = mlflow.pyfunc.load_model({MODEL!r}).predict([Path("film.png")]).iloc[0]
print(row["probability"], "keras" in sys.modules)
"""
    environment = {**os.environ, "MLFLOW_TRACKING_URI": store}
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    probability, keras_is_loaded = answer.stdout.split()[-2:]
    assert float(probability) == pytest.approx(thorax(0).mean() / 255, abs=0.003)
    assert keras_is_loaded == str(not twin)


def test_of_three_classes_there_is_a_column_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, chosen = constant_network([0.4, 0.25, 0.35]), decision("multiclass")
    directory = write_classifier(tmp_path / "models", network, chosen)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", register_classifier(tmp_path, directory))
    row = mlflow.pyfunc.load_model(MODEL).predict(FILMS[:1]).iloc[0]
    assert row["label"] == "viral"
    assert row["probability_bacterial"] == pytest.approx(0.25, abs=1e-5)


def test_a_film_in_the_band_is_served_as_uncertain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    band = Abstention(low=0.5, high=0.7, unfamiliar=False, rule="by hand")
    chosen = decision("multiclass").model_copy(update={"abstention": band})
    directory = write_classifier(tmp_path / "models", constant_network([0.4, 0.25, 0.35]), chosen)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", register_classifier(tmp_path, directory))
    row = mlflow.pyfunc.load_model(MODEL).predict(FILMS[:1]).iloc[0]
    assert (row["label"], row["probability"]) == ("uncertain", pytest.approx(0.6, abs=1e-5))


def test_a_localiser_gives_its_boxes_as_json_in_pixels_of_the_film(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = write_classifier(tmp_path / "models", spot_localiser(), localising())
    store = register_classifier(tmp_path, directory, "pneumonia-localize")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    model = mlflow.pyfunc.load_model("models:/pneumonia-localize@champion")
    # Edges on the borders of the mask's squares, which are 8 x 6 pixels of these films.
    two, none = spotted((16, 12, 40, 36, 200), (80, 48, 32, 30, 170)), spotted(seed=1)
    rows = model.predict([png(two), png(none)])
    assert rows["label"].tolist() == ["opacity", "no_opacity"]
    found = json.loads(rows["boxes"][0])
    assert [list(box) for box in found] == [["x", "y", "width", "height", "confidence"]] * 2
    confidence = [box.pop("confidence") for box in found]
    assert [list(box.values()) for box in found] == [[16, 12, 40, 36], [80, 48, 32, 30]]
    # Of greys of 200 and 170, 1 / (1 + exp(-2.5)) and 1 / (1 + exp(-1)), but for the edges, which resizing blurs.
    assert confidence == pytest.approx([0.92, 0.73], abs=0.05)
    assert rows["boxes"][1] == "[]"
    assert "boxes" in model.metadata.signature.outputs.input_names()


def test_an_unregistered_model_is_named_by_its_run(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("run_id: abc\nflavors: {}\n")
    assert model_version(tmp_path) == "run abc"
    (tmp_path / "registered_model_meta").write_text("model_name: m\nmodel_version: '7'\n")
    assert model_version(tmp_path) == "7"


def test_the_example_of_the_model_is_predicted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = write_classifier(tmp_path / "models", brightness_network(), decision())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", register_classifier(tmp_path, directory))
    model = mlflow.pyfunc.load_model(MODEL)
    (row,) = model.predict(model.input_example).to_dict("records")
    assert row["probability"] == pytest.approx(0.5, abs=0.01)  # a ramp from black to white
    assert "unlike" in row["remark"]


@pytest.mark.parametrize("film", ["JPEG-LL.dcm", "MR_small_jpeg_ls_lossless.dcm", "RG1_J2KR.dcm"])
def test_what_the_model_requires_decodes_compressed_films(film):
    """Without the other packages that this one is installed with."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    others = set(project["dependencies"]) - set(REQUIREMENTS) - {"mlflow"}  # which the skinny one is a part of
    absent = [name for name, owners in packages_distributions().items() if others & set(owners)]
    code = f"""
import sys
sys.modules.update(dict.fromkeys({absent!r}))
from pathlib import Path
from pydicom.data import get_testdata_file
from pneumonia.radiographs.read import read_radiograph
print(read_radiograph(Path(get_testdata_file({film!r}))).pixels.size)
"""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert int(answer.stdout) > 0


BUILT = """
import sys
from importlib.metadata import distributions
print(sorted(each.metadata["Name"].lower() for each in distributions()))
"""


@pytest.mark.slow
def test_its_requirements_build_an_environment_without_tensorflow_that_serves_it(tmp_path: Path) -> None:
    directory = write_with_twin(tmp_path / "models", spot_localiser(), localising())
    register_classifier(tmp_path, directory)
    [requirements] = tmp_path.glob("mlruns/models/*/artifacts/requirements.txt")
    python = make_environment(tmp_path / "environment", requirements)
    installed = subprocess.check_output([python, "-c", BUILT], text=True)
    assert not [name for name in ("tensorflow", "keras", "mlflow'") if f"'{name}" in installed]
    film = spotted((16, 12, 40, 36, 200))
    # By its files: the code of MLflow's database is not in the model's environment.
    with serving(tmp_path / "served", str(requirements.parent), python) as address:
        [row] = post(address, base64_text(png(film))).json()["predictions"]
    assert [box["x"] for box in json.loads(row["boxes"])] == [16]
