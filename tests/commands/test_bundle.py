"""`pneumonia bundle`: a folder that answers by itself."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import requests
from mlflow import MlflowClient
from typer.testing import CliRunner

from pneumonia.commands.cli import app

from ..conftest import REPOSITORY
from ..environments import make_environment
from ..small_classifier import (
    brightness_network,
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

NOTICE = "For films of children's chests, and no medical device."
CARD = "# Brightness\n\nFilms under CC BY 4.0 by “Mendeley”.\n"


@pytest.fixture
def bundle(tmp_path, monkeypatch) -> Path:
    """The bundle of a network whose answer is a film's brightness."""
    chosen = decision(threshold=0.9).model_copy(update={"notice": NOTICE})
    directory = write_with_twin(tmp_path / "models", brightness_network(), chosen)
    return make_bundle(tmp_path, monkeypatch, directory)


def make_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, directory: Path, name: str = "pneumonia-binary"
) -> Path:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", register_classifier(tmp_path, directory, name))
    MlflowClient(os.environ["MLFLOW_TRACKING_URI"]).update_model_version(name, "1", description=CARD)
    said = CliRunner().invoke(app, ["bundle", str(tmp_path / "bundle"), "--model", f"models:/{name}@champion"])
    assert said.exit_code == 0, said.output
    return tmp_path / "bundle"


def answer(bundle: Path, *arguments: str, python: Path = Path(sys.executable)) -> subprocess.CompletedProcess[str]:
    """The bundle's command, without this repository on its path."""
    command = [python, "-P", "-c", f"import runpy, sys; sys.path.insert(0, {str(bundle)!r}); "
               f"runpy.run_path({str(bundle / 'answer.py')!r})", *arguments]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_its_command_answers_and_its_check_tells_another_model(bundle, tmp_path):
    (tmp_path / "film.png").write_bytes(png(thorax(0)))
    (tmp_path / "text.png").write_text("no film")
    said = answer(bundle, "predict", str(tmp_path / "film.png"), str(tmp_path / "text.png"), "--format", "json")
    assert said.returncode == 1
    assert NOTICE in said.stderr.splitlines()
    film, text = json.loads(said.stdout)
    assert film["probability"] == pytest.approx(thorax(0).mean() / 255, abs=0.003)
    assert (film["model_version"], text["reason"]) == ("1", "not an image: neither JPEG nor PNG nor DICOM")
    assert answer(bundle, "check").stdout == "3 films get the answers that they must get\n"
    answers = json.loads((bundle / "films" / "answers.json").read_text())
    assert {each["file"] for each in answers} == {"normal.png", "bacterial.png", "viral.png"}
    answers[1]["probability"] += 0.002
    (bundle / "films" / "answers.json").write_text(json.dumps(answers))
    wrong = answer(bundle, "check")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert f"error: {answers[1]['file']}: probability is 0." in wrong.stderr
    (bundle / "films" / answers[0]["file"]).write_text("no film")
    assert f"error: {answers[0]['file']}: cannot be read here" in answer(bundle, "check").stderr


def test_it_says_whose_it_is_and_leaves_out_of_an_image_what_use_left_in_it(bundle):
    assert (bundle / "card.md").read_text(encoding="utf-8") == CARD
    assert (bundle / "LICENSE").read_text() == (REPOSITORY / "LICENSE").read_text()
    readme = (bundle / "README.md").read_text()
    assert "`card.md`" in readme
    assert "`LICENSE`" in readme
    assert (bundle / ".dockerignore").read_text().split() == [".venv", "**/__pycache__"]


def told(said: subprocess.CompletedProcess[str]) -> str:
    """The one line of a command that can do nothing."""
    assert (said.returncode, said.stdout) == (1, "")
    [line] = said.stderr.splitlines()
    return line


def test_what_a_bundle_cannot_do_is_one_line(bundle):
    assert told(answer(bundle, "serve", "--port", "70000")) == "error: port is 70000; it may be 1 to 65535"
    assert told(answer(bundle, "serve", "--host", "nowhere.invalid")).startswith("error: host 'nowhere.invalid' is not")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = told(answer(bundle, "serve", "--port", port))
    in_use = "cannot be had (Address already in use); --port may be another"
    assert said == f"error: port {port} of 127.0.0.1 {in_use}"
    (bundle / "model" / "model.onnx").unlink()
    for command in (["check"], ["serve"], ["predict", str(bundle / "films")]):
        said = told(answer(bundle, *command))
        assert said == f"error: {bundle / 'model' / 'model.onnx'}: is not there; a bundle answers by it"


def test_what_cannot_be_a_bundle_is_one_line(tmp_path, monkeypatch):
    directory = write_classifier(tmp_path / "models", brightness_network(), decision())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", register_classifier(tmp_path, directory))
    said = CliRunner().invoke(app, ["bundle", str(tmp_path / "bundle")])
    assert "error: models:/pneumonia-binary@champion has no ONNX twin" in said.stderr
    assert not (tmp_path / "bundle").exists()
    said = CliRunner().invoke(app, ["bundle", str(tmp_path / "models")])
    assert said.stderr == f"error: {tmp_path / 'models'} exists already; DIR may be a new folder\n"


def check_server(bundle: Path, python: Path, film: np.ndarray) -> dict:
    """What the bundle's server says of `film`, after it has refused what is none."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address, port = f"http://127.0.0.1:{free.getsockname()[1]}", str(free.getsockname()[1])
    command = [python, bundle / "answer.py", "serve", "--port", port]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen(command, env=environment, cwd=bundle, stderr=subprocess.PIPE, text=True) as server:
        try:
            while True:
                try:
                    health = requests.get(f"{address}/health", timeout=5).json()
                    break
                except requests.ConnectionError:
                    assert server.poll() is None
                    time.sleep(0.1)
            with socket.create_connection(("127.0.0.1", int(port))) as leaving:  # in the middle of its film
                leaving.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nfilm")
            refused = requests.post(f"{address}/predict", data=b"no film", timeout=60)
            assert refused.status_code == 400
            assert refused.json()["detail"] == "no film: not an image: neither JPEG nor PNG nor DICOM"
            said = requests.post(f"{address}/predict", data=png(film), timeout=60).json()
        finally:
            server.terminate()
            stderr = server.communicate()[1]
    assert "Traceback" not in stderr
    assert health["status"] == "ok"
    assert health["model"] == said["model"]
    return {**said, "notice": health["notice"]}


def test_a_localiser_answers_with_its_boxes(tmp_path, monkeypatch):
    directory = write_with_twin(tmp_path / "models", spot_localiser(), localising())
    bundle = make_bundle(tmp_path, monkeypatch, directory, "pneumonia-localize")
    assert answer(bundle, "check").stdout == "3 films get the answers that they must get\n"
    said = check_server(bundle, Path(sys.executable), spotted((16, 12, 40, 36, 200)))
    assert said["model"] == "pneumonia-localize version 1"
    assert [[box["x"], box["y"], box["width"], box["height"]] for box in said["boxes"]] == [[16, 12, 40, 36]]
    assert any(each.startswith("scipy==") for each in (bundle / "requirements.txt").read_text().split())


@pytest.mark.slow
def test_in_a_fresh_environment_without_tensorflow_all_of_it_answers(bundle, tmp_path):
    python = make_environment(tmp_path / "environment", bundle / "requirements.txt")
    for absent in ("tensorflow", "keras", "mlflow", "scipy"):
        assert subprocess.run([python, "-c", f"import {absent}"], capture_output=True, check=False).returncode == 1
    assert answer(bundle, "check", python=python).stdout == "3 films get the answers that they must get\n"
    film = thorax(0)
    (tmp_path / "film.png").write_bytes(png(film))
    [row] = json.loads(answer(bundle, "predict", str(tmp_path / "film.png"), "--format", "json", python=python).stdout)
    said = check_server(bundle, python, film)
    assert said["probability"] == row["probability"]
    assert said["probability"] == pytest.approx(film.mean() / 255, abs=0.003)
    assert (said["model"], said["notice"]) == ("pneumonia-binary version 1", NOTICE)
