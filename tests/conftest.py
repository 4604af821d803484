from collections.abc import Callable, Container, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient

from pneumonia.params.load import Params, load_params

REPOSITORY = Path(__file__).parents[1]


def write_params(path: Path, changes: dict[str, Any]) -> Path:
    """The repository's params.yaml with `changes` by dotted key, written to `path`."""
    values = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    for key, value in changes.items():
        *blocks, last = key.split(".")
        block = values
        for name in blocks:
            block = block[name]
        block[last] = value
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


def slow_but(quick: Container[str], names: Iterable[str]) -> list[Any]:
    """The `names` as parameters of a test that is slow for all but the `quick` ones."""
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.fixture
def make_params(tmp_path: Path) -> Callable[..., Params]:
    """The repository's parameters with changes by dotted key."""
    return lambda changes=None: load_params(write_params(tmp_path / "params.yaml", changes or {}))


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory) -> Path:
    """A migrated database without runs: the migration takes seconds, so the tests share it."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slowest files first, so that both processes end together."""
    slowest = ("test_pipeline", "test_fitting", "test_devices")
    items.sort(key=lambda item: next((n for n, name in enumerate(slowest) if name in item.nodeid), len(slowest)))
