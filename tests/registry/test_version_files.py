"""A registered version whose files are damaged, or were changed by someone who means harm, asked by the command."""

import pickle
import sqlite3
from contextlib import closing
from pathlib import Path

import mlflow
import numpy as np
import pytest
from typer.testing import CliRunner

from pneumonia.commands.cli import app
from pneumonia.inference.predictor import Predictor
from pneumonia.registry.version_files import registered_model

from ..small_classifier import (
    brightness_network,
    decision,
    png,
    register_classifier,
    thorax,
    write_classifier,
    write_with_twin,
)


@pytest.fixture
def version(tmp_path, monkeypatch) -> Path:
    """The folder of a registered version, in a store that the command asks; a film lies in the working directory."""
    store = register_classifier(tmp_path, write_classifier(tmp_path / "models", brightness_network(), decision()))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "film.png").write_bytes(png(thorax(0)))
    yield next(tmp_path.glob("mlruns/models/*/artifacts"))
    mlflow.set_tracking_uri(None)


def ask() -> str:
    said = CliRunner().invoke(app, ["predict", "film.png", "--format", "csv"])
    assert said.exit_code in (0, 1), said.exception
    return said.stdout if said.exit_code == 0 else said.stderr


@pytest.mark.parametrize("file", ["model.keras", "decision.json", "familiarity.npz"])
def test_a_damaged_file_is_one_line_that_names_it_in_the_version(version, file):
    whole = (version / "artifacts" / file).read_bytes()
    for data in (
        b"",
        b"\x00" * 100,
        whole[: len(whole) // 2],
        b"PK\x05\x06" + bytes(18),
        np.random.default_rng(0).bytes(999),
    ):
        (version / "artifacts" / file).write_bytes(data)
        said = ask()
        assert said.startswith(f"error: models:/pneumonia-binary/1/artifacts/{file}: ")
        assert said.count("\n") == 1
        assert len(said) < 400


def test_a_familiarity_of_other_shapes_is_one_line(version):
    arrays = dict(np.load(version / "artifacts" / "familiarity.npz"))
    for name, values in (("limits", np.zeros(3)), ("mean", np.full(256, np.nan)), ("components", np.zeros((2, 5)))):
        np.savez(version / "artifacts" / "familiarity.npz", **arrays | {name: values})
        assert "is not what evaluate writes there" in ask()


def test_beside_a_twin_the_keras_model_is_not_copied_and_can_be_had(tmp_path, monkeypatch):
    folder = write_with_twin(tmp_path / "models", brightness_network(), decision())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", register_classifier(tmp_path, folder))
    with registered_model("models:/pneumonia-binary/1") as (files, _):
        copied = {file.name for file in files.iterdir() if not file.is_symlink()}
        assert copied == {"decision.json", "familiarity.npz", "model.onnx"}
        assert Predictor.load(files).keras_model().count_params() == brightness_network().count_params()


class Command:
    """A pickle that writes a file when it is read."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


def test_pickles_and_code_in_a_version_are_not_run(version):
    marker = version / "marker"
    command = pickle.dumps(Command(marker))
    (version / "python_model.pkl").write_bytes(command)
    (version / "evil.py").write_text(
        f"open({str(marker)!r}, 'w')\ndef _load_pyfunc(path): open({str(marker)!r}, 'w')\n"
    )
    for code in version.glob("code/pneumonia/**/*.py"):
        code.write_text(f"open({str(marker)!r}, 'w')\n")
    (version / "MLmodel").write_text(
        "flavors:\n  python_function:\n    loader_module: evil\n    code: .\n    python_model: python_model.pkl\n"
    )
    assert ",1,," in ask()
    np.savez(version / "artifacts" / "familiarity.npz", mean=np.array([Command(marker)], dtype=object))
    assert "is not what evaluate writes there" in ask()
    for file in ("familiarity.npz", "model.keras", "decision.json"):
        (version / "artifacts" / file).write_bytes(command)
    assert ask().startswith("error: models:/pneumonia-binary/1/artifacts/")
    assert not marker.exists()


def test_a_version_whose_place_only_mlflow_can_tell_is_had_from_mlflow(version, tmp_path):
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:  # as older MLflows entered it
        database.execute("UPDATE model_versions SET storage_location = NULL, source = ?", (version.as_uri(),))
    assert ",1,," in ask()
    (version / "artifacts" / "decision.json").write_text("{}")
    assert ask().startswith("error: models:/pneumonia-binary/1/artifacts/decision.json: ")
