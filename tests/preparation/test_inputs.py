"""Films and weights of the user's own are inputs: their content counts, not their names."""

import json
import os
from pathlib import Path

import pytest

from pneumonia.preparation.inputs import write_inputs

from ..conftest import write_params
from ..small_classifier import png, thorax
from ..small_repository import SMALL, Repository


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    for name in ("normal/a.png", "normal/b.png", "viral/c.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def digest(tmp_path: Path, name: str = "films", **block: object) -> str | None:
    params = {"dataset": "folder", "datasets": {"folder": block}, "model": "cnn", "models": {"cnn": block}}
    write_inputs(params, tmp_path / "out", tmp_path / "state.json")
    return json.loads((tmp_path / "out" / f"{name}.json").read_text())["sha256"]


def test_a_film_more_or_less_or_another_content_is_another_input(films: Path, tmp_path: Path) -> None:
    path = str(films)
    first = digest(tmp_path, path=path)
    assert digest(tmp_path, path=path) == first
    film = films / "normal" / "a.png"
    before = film.stat()
    film.write_bytes(b"normal/A.png")
    assert film.stat().st_size == before.st_size
    second = digest(tmp_path, path=path)
    (films / "normal" / "d.png").write_bytes(b"d")
    third = digest(tmp_path, path=path)
    (films / "normal" / "d.png").rename(films / "normal" / "e.png")
    assert len({first, second, third, digest(tmp_path, path=path)}) == 4
    (films / "normal" / "e.png").unlink()
    film.write_bytes(b"normal/a.png")
    os.utime(film, (9, 9))
    assert digest(tmp_path, path=path) == first
    film.write_bytes(b"normal/B.png")
    os.utime(film, (9, 9))
    assert digest(tmp_path, path=path) != first
    film.write_bytes(b"normal/a.png")
    for lost in (b"", b"not JSON", None):
        (tmp_path / "state.json").write_bytes(lost) if lost is not None else (tmp_path / "state.json").unlink()
        assert digest(tmp_path, path=path) == first


def test_another_data_set_in_between_costs_no_reading(films: Path, tmp_path: Path) -> None:
    digest(tmp_path, path=str(films / "normal"))
    digest(tmp_path, path=str(films / "viral"))
    assert len(json.loads((tmp_path / "state.json").read_text())) == 3


def test_a_folder_that_is_called_as_a_word_for_weights_is_not_read(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "random").mkdir()
    assert digest(tmp_path, "weights", weights="random") is None


def test_what_did_not_change_is_not_read_again(films: Path, tmp_path: Path) -> None:
    first = digest(tmp_path, path=str(films))
    state = json.loads((tmp_path / "state.json").read_text())
    (tmp_path / "state.json").write_text(json.dumps({file: [*facts[:-1], "read"] for file, facts in state.items()}))
    assert digest(tmp_path, path=str(films)) != first


def test_a_file_is_its_content_and_nothing_is_null(films: Path, tmp_path: Path) -> None:
    weights = tmp_path / "own.h5"
    weights.write_bytes(b"weights")
    first = digest(tmp_path, "weights", weights=str(weights))
    weights.write_bytes(b"WEIGHTS")
    assert digest(tmp_path, "weights", weights=str(weights)) not in (None, first)
    for weights_or_path in (None, "imagenet", "random", str(tmp_path / "absent"), 7):
        assert digest(tmp_path, "weights", weights=weights_or_path) is None
        assert digest(tmp_path, path=weights_or_path) is None


def test_films_that_changed_are_fetched_again_and_others_are_not(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "project")
    for number in range(4):
        film = tmp_path / "films" / ("normal" if number % 2 else "pneumonia") / f"{number}.png"
        film.parent.mkdir(parents=True, exist_ok=True)
        film.write_bytes(png(thorax(number)))
    changes = {"dataset": "folder", "datasets.folder.path": str(tmp_path / "films")}
    write_params(repository.root / "params.yaml", SMALL | changes)
    assert "Running stage 'download'" in repository.run("dvc", "repro", "download")
    assert "Running stage 'download'" not in repository.run("dvc", "repro", "download")
    film.write_bytes(png(thorax(99)))
    assert "Running stage 'download'" in repository.run("dvc", "repro", "download")
    assert (repository.root / "data/raw/images/normal/3.png").read_bytes() == film.read_bytes()


def test_a_table_beside_or_outside_of_the_films_is_an_input(films: Path, tmp_path: Path) -> None:
    beside, outside = films / "films.csv", tmp_path / "outside.csv"
    for table, named in ((beside, "films.csv"), (outside, str(outside))):
        before = digest(tmp_path, path=str(films), table=named)
        table.write_text("file,label\nnormal/a.png,normal\n")
        first = digest(tmp_path, path=str(films), table=named)
        table.write_text("file,label\nnormal/a.png,viral\n")
        assert len({before, first, digest(tmp_path, path=str(films), table=named)}) == 3
    assert digest(tmp_path, path=str(films), table="none.csv") == digest(tmp_path, path=str(films))


def test_of_several_sources_the_films_and_the_parameters_of_each_are_inputs(films: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "normal" / "1.png"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"1")

    def several(**phantom: object) -> str:
        blocks = {
            "several": {"of": ["phantom", "folder", str(tmp_path / "other")]},
            "folder": {"path": str(films)},
            "phantom": {"patients": 5, "recommended": {"epochs": 1}} | phantom,
            "kermany": {"path": None},
        }
        params = {"dataset": "several", "datasets": blocks}
        write_inputs(params, tmp_path / "out", tmp_path / "state.json")
        told: str = json.loads((tmp_path / "out" / "films.json").read_text())["sha256"]
        return told

    first = several()
    assert several(recommended={"epochs": 2}) == first
    digests = {first, several(patients=6)}
    other.write_bytes(b"2")
    digests.add(several())
    (films / "normal" / "d.png").write_bytes(b"d")
    digests.add(several())
    assert len(digests) == 4
