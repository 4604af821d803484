"""`pneumonia submission`: what the RSNA challenge takes."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pneumonia.commands.cli import app

from ..radiographs.test_read import dicom
from ..small_classifier import (
    brightness_network,
    decision,
    localising,
    png,
    register_classifier,
    spot_localiser,
    spotted,
    write_classifier,
)


@pytest.fixture
def films(tmp_path, monkeypatch) -> Path:
    """A folder of films, and a registry with a localiser, in the working directory."""
    monkeypatch.chdir(tmp_path)
    models = write_classifier(tmp_path / "models", spot_localiser(), localising())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", register_classifier(tmp_path, models, "pneumonia-localize"))
    folder = tmp_path / "stage_2_test_images"
    folder.mkdir()
    (folder / "two.dcm").write_bytes(dicom(spotted((16, 12, 40, 36, 250), (80, 48, 32, 30, 170))))
    (folder / "none.dcm").write_bytes(dicom(spotted(seed=1)))
    return folder


def submit(*arguments: object):
    return CliRunner().invoke(app, ["submission", *map(str, arguments)])


def test_a_row_a_film_with_its_boxes_one_after_the_other(films):
    assert submit(films, "--output", "submission.csv").exit_code == 0
    header, none, two = Path("submission.csv").read_text().splitlines()
    assert header == "patientId,PredictionString"
    assert none == "none,"
    name, said = two.split(",")
    confidence, *first = said.split(" ")[:5]
    assert (name, first) == ("two", ["16.0", "12.0", "40.0", "36.0"])
    assert said.split(" ")[6:] == ["80.0", "48.0", "32.0", "30.0"]
    assert 1 > float(confidence) > float(said.split(" ")[5]) > 0.6


def test_a_film_that_cannot_be_read_has_an_empty_row_and_is_told(films):
    (films / "broken.dcm").write_bytes(dicom(spotted())[:132])
    said = submit(films, "--output", "out/submission.csv")
    assert said.exit_code == 1
    assert "stage_2_test_images/broken.dcm: DICOM without pixels" in said.stderr
    rows = Path("out/submission.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["patientId", "broken", "none", "two"]
    assert rows[1] == "broken,"


def test_hidden_files_are_ignored_and_any_name_has_its_row(films):
    for name in ("._two.dcm", "two\nlines\r.dcm", "\udce9.dcm", "\\xe9.dcm"):
        (films / name).write_bytes(dicom(spotted(seed=2)))
    (films / "gone\n.dcm").symlink_to("nowhere")
    said = submit(films, "--output", "submission.csv")
    assert said.exit_code == 1
    assert "stage_2_test_images/gone\\n.dcm: missing\n" in said.stderr
    rows = [line.partition(",")[0] for line in Path("submission.csv").read_text().splitlines()]
    assert sorted(rows[1:]) == sorted(["two", "none", "two\\nlines\\r", "\\xe9~2", "\\xe9", "gone\\n"])


def test_two_films_of_one_name_and_a_model_without_boxes_are_one_line(films, tmp_path, monkeypatch):
    (films / "none.png").write_bytes(png(spotted()))
    said = submit(films, "--output", "submission.csv")
    assert said.stderr == "error: patientId 'none' is that of 2 films; each may have one, its file's name\n"
    (films / "none.png").unlink()
    (tmp_path / "other").mkdir()
    models = write_classifier(tmp_path / "other" / "models", brightness_network(), decision())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", register_classifier(tmp_path / "other", models))
    said = submit(films, "--model", "models:/pneumonia-binary@champion", "--output", "submission.csv")
    assert "draws no boxes, its task is 'binary'; it may be a version of pneumonia-localize" in said.stderr
    assert said.exit_code == 1
    assert not Path("submission.csv").exists()
