"""Folders of films from which nothing can be learnt, through the real stages: told in one line, or said at the end."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from .conftest import write_params
from .small_classifier import png, thorax
from .small_repository import SMALL, Repository

FOLDER = {"dataset": "folder", "datasets.folder.recommended.image_size": 64}


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Repository:
    return Repository(tmp_path_factory.mktemp("project"))


def write(films: Path, contents: Iterable[tuple[str, bytes]]) -> None:
    for name, content in contents:
        (films / name).parent.mkdir(parents=True, exist_ok=True)
        (films / name).write_bytes(content)


def repro(repository: Repository, films: Path, check: bool, stage: str = "evaluate", **changes: object) -> str:
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    write_params(repository.root / "params.yaml", SMALL | FOLDER | {"datasets.folder.path": str(films)} | dotted)
    said = repository.run("dvc", "repro", stage, check=check)
    assert "Traceback" not in said
    return said


def test_films_that_are_of_no_use_are_told_in_one_line(repository, tmp_path):
    sick, well = (f"pneumonia/{number}.png" for number in range(40)), [f"normal/{number}.png" for number in range(40)]
    dot, alike = png(np.full((1, 1), 99, np.uint8)), png(thorax(0))
    folders = {
        "one class": [(name, png(thorax(seed))) for seed, name in enumerate(well)],
        "dots": [(name, dot) for name in [*well, *sick]],
        "alike": [(name, alike) for name in well],
    }
    told = {
        "one class": "error: the test part, 8 films, has none of class 'pneumonia'",
        "dots": "error: 80 of 80 films rejected, clean.max_rejected is 0.05; most often 'too small' (80)",
        "alike": "error: 39 of 40 films rejected, clean.max_rejected is 0.05; most often 'duplicate' (39)",
    }
    for name, contents in folders.items():
        write(tmp_path / name, contents)
        assert told[name] in repro(repository, tmp_path / name, check=False, stage="split"), name


def test_a_patient_with_half_of_the_films_stays_in_one_part(repository, tmp_path):
    films = [
        (f"{kind}/{'anna' if number % 2 else number}/{number}.png", png(thorax(number + 100 * (kind == "normal"))))
        for kind in ("normal", "pneumonia")
        for number in range(60)
    ]
    write(tmp_path / "films", films)
    said = repro(repository, tmp_path / "films", check=True, stage="split")
    assert "60 of 120 films are of patient 'anna': is its number a placeholder?" in said
    split = pd.read_csv(repository.root / "data" / "split.csv", dtype={"patient": str})
    assert split.loc[split["patient"] == "anna", "part"].unique().tolist() == ["train"]
    assert (split[split["part"] != "train"].groupby(["part", "class"]).size() >= 5).all()


@pytest.mark.slow
def test_twelve_films_are_too_few_and_of_twenty_the_evaluation_says_that_nothing_was_learnt(repository, tmp_path):
    for count in (6, 10):
        films = [(f"{kind}/{number}.png", png(thorax(number + 20 * (kind == "normal"))))
                 for kind in ("normal", "pneumonia") for number in range(count)]  # fmt: skip
        write(tmp_path / str(count), films)
    said = repro(repository, tmp_path / "6", check=False)
    assert "error: class 'normal' has 5 films to train and validate on; split.val_per_class needs 5" in said
    said = repro(repository, tmp_path / "6", check=False, split__val_per_class=2)
    assert "error: 6 training films; to tell what is unlike them takes 10 or more" in said
    said = repro(repository, tmp_path / "10", check=True, split__val_per_class=2)
    assert "is challenger: it may be no better than chance" in said
    assert "Nothing was learned that the val films show" in (repository.root / "reports" / "report.html").read_text()


@pytest.mark.endurance
@pytest.mark.parametrize("shuffled", [True, False])
def test_of_shuffled_labels_the_evaluation_says_that_nothing_was_learnt(repository, tmp_path, shuffled):
    """The same network learns the same films when their labels mean something: the sick ones are a little brighter."""
    rng = np.random.default_rng(0)
    is_sick = np.arange(400) % 2 == 1
    label = rng.permutation(is_sick) if shuffled else is_sick
    films = [
        (f"{'pneumonia' if label[number] else 'normal'}/{number}.png", png(thorax(number, 64) // 2 + 60 * sick))
        for number, sick in enumerate(is_sick.astype(np.uint8))
    ]
    write(tmp_path / "films", films)
    said = repro(
        repository, tmp_path / "films", check=True, model="resnet", train__epochs=8, split__val_per_class=40,
        train__augmentation__apply_to="none",
    )  # fmt: skip
    assert ("is challenger: it may be no better than chance, validation AUC 0." in said) == shuffled
    assert (" is champion: " in said) == (not shuffled)
    page = (repository.root / "reports" / "report.html").read_text()
    assert ("Nothing was learned that the val films show" in page) == shuffled
