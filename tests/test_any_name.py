"""Films as people have them, through the real pipeline and `predict`: any name, and links into DVC's cache."""

import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from pneumonia.commands.cli import app

from .conftest import write_params
from .small_classifier import brightness_network, decision, png, register_classifier, thorax, write_classifier
from .small_repository import SMALL, Repository

pytestmark = pytest.mark.slow

NAMES = [
    b"film_$^1_$.jpeg", "胸部正面片".encode() * 16 + b".jpg", b"=1+1.jpeg", b"\xe9.png", b"\\xe9.png",
    b"two\nlines.png", b"\x1b[2J\x1b[31mred.png", b"tab\t.png", b"return\r.png", b"\xed\xa0\x80.png",
    b"blank.png ", b" lead.png", b"\"a\", 'b'.png", b"<script>alert(1)<script>.png", b"a" * 251 + b".png",
    b"\xff" * 251 + b".png", b"|*_`[x](y).png", b"100%.png", b"{0}.png", b"#~$HOME.png", b"NA.png", b"back\\slash.png",
]  # fmt: skip
PLAIN = 18


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Repository, str]:
    """The project after `dvc repro` on a folder of films with `NAMES`, all outputs being links, and what that said."""
    project = Repository(tmp_path_factory.mktemp("project"))
    films = os.fsencode(project.root / "films")
    for number, label in enumerate((b"normal", b"pneumonia")):
        folder = os.path.join(films, label, b"images")
        os.makedirs(folder)
        for seed, name in enumerate([*NAMES, *(f"{plain}.png".encode() for plain in range(PLAIN))]):
            film = thorax(1000 * number + seed).astype(int)
            film[30:60, 20:40] += 60 * number
            with open(os.path.join(folder, name), "wb") as file:
                file.write(png(film.clip(0, 255).astype(np.uint8)))
    changes = SMALL | {"dataset": "folder", "datasets.folder.path": "films", "clean.max_rejected": 0}
    write_params(project.root / "params.yaml", changes)
    project.run("dvc", "config", "cache.type", "symlink")
    (project.root / ".gitignore").write_text("/films\n")
    project.commit()
    return project, project.run("dvc", "repro")


@pytest.fixture(scope="module")
def repository(reproduced: tuple[Repository, str]) -> Repository:
    return reproduced[0]


@pytest.fixture(scope="module")
def contents(repository: Repository) -> dict[bytes, str]:
    """What is in each film, and its label."""
    films = repository.root / "films"
    return {path.read_bytes(): path.parent.parent.name for path in films.rglob("*") if path.is_file()}


def test_every_film_is_copied_cleaned_split_and_evaluated_under_a_name_of_its_own(reproduced, contents):
    repository, said = reproduced
    root = repository.root
    raw = pd.read_csv(root / "data/raw/index.csv", dtype=str, keep_default_na=False)
    assert {(root / "data/raw" / row.file).read_bytes(): row.label for row in raw.itertuples()} == contents
    assert raw["file"].map(str.isprintable).all() and raw["patient"].nunique() == len(contents)
    for table in ("data/clean/index.csv", "data/split.csv"):
        read = pd.read_csv(root / table, dtype=str, keep_default_na=False)
        assert sorted(read["file"]) == sorted(raw["file"])
    assert len(pd.read_csv(root / "data/clean/rejected.csv")) == 0
    split = pd.read_csv(root / "data/split.csv", dtype=str, keep_default_na=False)
    predicted = pd.read_csv(root / "reports/predictions.csv", dtype=str, keep_default_na=False)
    assert set(predicted["file"]) == set(split[split["part"].isin(["val", "test"])]["file"])
    assert "Glyph" not in said and "Traceback" not in said
    [run] = repository.mlflow_runs()
    assert run.info.status == "FINISHED"


def test_no_name_is_markup_in_the_page_and_the_card(repository):
    for file in ("report.html", "model_card.md"):
        assert "<script>alert" not in (repository.root / "reports" / file).read_text()


def test_what_dvc_has_as_links_into_its_cache_is_cleaned_again_to_the_same(repository):
    root = repository.root
    links = [path for path in (root / "data/raw/images").rglob("*") if path.is_symlink()]
    assert len(links) == 2 * (len(NAMES) + PLAIN)
    assert (root / "data/clean/images.npy").is_symlink()
    before = (root / "data/clean/index.csv").read_bytes(), (root / "data/clean/images.npy").read_bytes()
    repository.run("dvc", "repro", "--force", "--single-item", "clean")
    assert ((root / "data/clean/index.csv").read_bytes(), (root / "data/clean/images.npy").read_bytes()) == before
    assert repository.changed_stages() == []


def test_a_folder_of_links_into_dvcs_cache_downloads_to_the_same(repository):
    root = repository.root
    before = (root / "data/raw/index.csv").read_bytes()
    # DVC itself takes no name that is not UTF-8, so the copies are what it shall track.
    repository.run("cp", "-rL", "data/raw/images", "tracked")
    repository.run("dvc", "config", "cache.type", "symlink")
    repository.run("dvc", "add", "tracked")
    assert all(path.is_symlink() for path in (root / "tracked").rglob("*.jpeg"))
    params = (root / "params.yaml").read_text()
    (root / "params.yaml").write_text(params.replace("path: films", "path: tracked"))
    repository.run("dvc", "repro", "download")
    assert (root / "data/raw/index.csv").read_bytes() == before
    (root / "params.yaml").write_text(params)
    repository.run("dvc", "repro", "download")


@pytest.mark.parametrize("folder", ["films", "data/raw/images"])
def test_each_film_is_predicted_by_its_pixels_whatever_it_is_called(
    repository, contents, folder, tmp_path, monkeypatch
):
    models = write_classifier(tmp_path / "models", brightness_network(), decision())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", register_classifier(tmp_path, models))
    monkeypatch.chdir(repository.root)
    told = {form: CliRunner().invoke(app, ["predict", folder, "--format", form]) for form in ("json", "csv", "table")}
    assert {result.exit_code for result in told.values()} == {0}
    rows = json.loads(told["json"].stdout)
    assert len({row["file"] for row in rows}) == len(rows) == len(contents)
    films = sorted((path for path in Path(folder).rglob("*") if path.is_file()), key=Path.as_posix)  # order of the rows
    greys = [np.asarray(Image.open(film)).mean() / 255 for film in films]
    assert [row["probability"] for row in rows] == pytest.approx(greys, abs=0.003)
    table = pd.read_csv(io.StringIO(told["csv"].stdout, newline=""), keep_default_na=False)
    assert table["file"].tolist() == [row["file"] for row in rows]
    assert table["probability"].tolist() == pytest.approx(greys, abs=0.003)
    _, *lines = told["table"].stdout.splitlines()
    shown = [float(re.split(" (?:normal|pneumonia) ", line)[-1].split()[0]) for line in lines]
    assert shown == pytest.approx(greys, abs=0.003)


def test_each_film_gets_a_picture_or_the_reason_why_not(repository, contents):
    pictures, rows = repository.root / "pictures", repository.root / "pictures.json"
    model = "models:/pneumonia-binary@challenger"  # no champion: one epoch teaches it too little
    command = f"pneumonia predict films --model {model} --format json --output pictures.json --overlay pictures"
    repository.run(*command.split(), check=False)
    reasons = {row["file"]: row["reason"] for row in json.loads(rows.read_bytes()) if row["reason"]}
    assert set(reasons.values()) == {"its picture cannot be written: File name too long"}
    assert len([picture for picture in pictures.rglob("*") if picture.is_file()]) == len(contents) - len(reasons)
    too_long = [file for file in (repository.root / "films").rglob("*") if len(os.fsencode(file.name)) > 251]
    assert len(reasons) == len(too_long) > 0
