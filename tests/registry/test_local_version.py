"""What is read of a registry without MLflow is what MLflow says."""

import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from pneumonia.registry.local_version import find_local_version
from pneumonia.registry.places import local_path

NAME = "pneumonia-binary"


class Nothing(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input


@pytest.fixture
def store(tmp_path, empty_database) -> str:
    """A registry with three versions, of which the second is champion."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    experiment = mlflow.create_experiment("test", artifact_location=(tmp_path / "ml runs").as_uri())
    for _ in range(3):
        with mlflow.start_run(experiment_id=experiment):
            model = Nothing()
            mlflow.pyfunc.log_model(name="m", python_model=model, pip_requirements=[], registered_model_name=NAME)
    MlflowClient().set_registered_model_alias(NAME, "champion", "2")
    yield uri
    mlflow.set_tracking_uri(None)


def told(version: str) -> tuple[Path | None, str]:
    return local_path(MlflowClient().get_model_version_download_uri(NAME, version)), version


def test_it_says_what_mlflow_says_also_after_a_change(store):
    client = MlflowClient()
    assert find_local_version(store, NAME, "champion", None) == told("2")
    assert [find_local_version(store, NAME, None, each) for each in "123"] == [told(each) for each in "123"]
    client.set_registered_model_alias(NAME, "champion", "3")
    assert find_local_version(store, NAME, "champion", None) == told("3")
    client.delete_model_version(NAME, "3")
    assert find_local_version(store, NAME, "champion", None) is None
    assert find_local_version(store, NAME, None, "3") is None
    client.rename_registered_model(NAME, "other")
    assert find_local_version(store, NAME, None, "1") is None
    assert find_local_version(store, "other", None, "1")[1] == "1"


def test_what_is_not_certain_is_left_to_mlflow(store, tmp_path):
    folder, _ = find_local_version(store, NAME, None, "1")
    for name, alias, version in (
        (NAME, "best", None),
        (NAME, None, "9"),
        ("lungs", None, "1"),
        ("' OR 1=1 --", None, "1"),
    ):
        assert find_local_version(store, name, alias, version) is None
    shutil.rmtree(folder)
    assert find_local_version(store, NAME, None, "1") is None
    assert find_local_version("http://127.0.0.1:1", NAME, None, "1") is None
    (tmp_path / "other.db").write_bytes(b"no database")
    assert find_local_version(f"sqlite:///{tmp_path / 'other.db'}", NAME, None, "1") is None
    assert find_local_version(f"sqlite:///{tmp_path / 'absent.db'}", NAME, None, "1") is None
    assert not (tmp_path / "absent.db").exists()


def test_neither_help_nor_what_only_reads_the_registry_imports_more_than_it_needs():
    code = "import sys; import {}; print([each for each in {!r} if each in sys.modules])"
    heavy = ["keras", "tensorflow", "mlflow", "pandas", "pydantic", "numpy", "sqlalchemy", "onnxruntime", "scipy"]
    for module, needed in (
        ("pneumonia.commands.cli", []),
        ("pneumonia.registry.version_files", []),
        ("pneumonia.commands.predict, pneumonia.inference.predictor, pneumonia.inference.onnx_network",
         ["pydantic", "numpy", "onnxruntime"]),
    ):  # fmt: skip
        said = subprocess.run([sys.executable, "-c", code.format(module, heavy)], capture_output=True, text=True)
        assert said.stdout.strip() == str(needed), said.stderr
