"""`pneumonia predict`, on files as they lie about."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from pneumonia.commands.cli import app
from pneumonia.models.resnet import network as resnet
from pneumonia.params.load import load_params

from ..conftest import write_params
from ..dicom_files import dicom
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

COLUMNS = ["file", "label", "probability", "threshold", "model_version", "remark", "reason"]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("registry")
    yield register_classifier(
        folder, write_classifier(folder / "models", brightness_network(), decision(threshold=0.9))
    )
    mlflow.set_tracking_uri(None)


@pytest.fixture(scope="module")
def convolutional(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A registry with a network that Grad-CAM can explain."""
    folder = tmp_path_factory.mktemp("convolutional")
    params = load_params(write_params(folder / "params.yaml", {}))
    network = resnet.build(params.models.resnet, 64, 1, None)
    return register_classifier(folder, write_classifier(folder / "models", network, decision()))


@pytest.fixture(scope="module")
def with_twin(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The registry's network, with its ONNX twin."""
    folder = tmp_path_factory.mktemp("with_twin")
    return register_classifier(
        folder, write_with_twin(folder / "models", brightness_network(), decision(threshold=0.9))
    )


@pytest.fixture
def films(tmp_path: Path, registry: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a folder of good, broken and other files in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry)
    folder = tmp_path / "films"
    (folder / "deep" / "er").mkdir(parents=True)
    Image.fromarray(thorax(0)).save(folder / "a.JPG", quality=95)
    (folder / "deep" / "a.png").write_bytes(png(thorax(1)))
    (folder / "deep" / "er" / "turned.dcm").write_bytes(dicom(np.rot90(thorax(2)).copy()))
    (folder / "deep" / "text.jpg").write_text("no film")
    (folder / "deep" / "empty.dicom").write_bytes(dicom(thorax(3))[:132])
    (folder / "notes.txt").write_text("not looked at")
    return folder


def predict(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["predict", *arguments])


def test_a_folder_gives_a_row_a_film_and_a_broken_one_stops_nothing(films: Path) -> None:
    result = predict("films", "--format", "csv")
    assert result.exit_code == 1
    rows = pd.read_csv(io.StringIO(result.stdout), keep_default_na=False).set_index("file")
    assert [rows.index.name, *rows] == COLUMNS
    assert set(rows.index) == {
        f"films/{name}" for name in ("a.JPG", "deep/a.png", "deep/er/turned.dcm", "deep/text.jpg", "deep/empty.dicom")
    }
    good = rows.loc["films/deep/a.png"]
    assert (good["label"], good["model_version"], good["remark"], good["reason"]) == ("normal", 1, "", "")
    assert float(good["probability"]) == pytest.approx(thorax(1).mean() / 255, abs=0.003)
    assert "unlike the training films" in rows.loc["films/deep/er/turned.dcm", "remark"]
    broken = rows.loc[["films/deep/text.jpg", "films/deep/empty.dicom"]]
    assert broken["label"].tolist() == ["", ""]
    assert broken["reason"].tolist() == ["not an image: neither JPEG nor PNG nor DICOM", "DICOM without pixels"]


def test_a_named_file_is_tried_whatever_its_name_and_only_once(films: Path) -> None:
    (films / "film.bin").write_bytes(png(thorax(1)))
    result = predict("films/film.bin", "films/film.bin", "--format", "json")
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)
    assert list(row) == COLUMNS
    assert (row["file"], row["threshold"], row["reason"]) == ("films/film.bin", 0.9, None)
    assert row["probability"] == pytest.approx(thorax(1).mean() / 255, abs=0.003)
    result = predict("films/film.bin", "absent.png")
    assert result.exit_code == 1
    assert "missing" in result.stdout.splitlines()[2]


def test_rows_go_to_a_file(films: Path) -> None:
    result = predict("films/a.JPG", "--format", "json", "--output", "out/rows.json")
    assert (result.exit_code, result.stdout) == (0, "")
    assert json.loads(Path("out/rows.json").read_text())[0]["label"] == "normal"
    assert os.listdir("out") == ["rows.json"]


def test_overlays_are_as_large_as_the_film_and_never_share_a_name(
    films: Path, tmp_path: Path, convolutional: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", convolutional)
    assert predict("films", "--overlay", "heat").exit_code == 1
    pictures = {str(path.relative_to("heat")): Image.open(path) for path in Path("heat").rglob("*") if path.is_file()}
    assert set(pictures) == {"a.JPG.png", "deep/a.png.png", "deep/er/turned.dcm.png"}
    assert {(picture.mode, picture.size) for picture in pictures.values()} == {("RGB", (96, 96))}


def test_a_localiser_draws_its_boxes_and_writes_them_in_pixels_of_the_film(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    directory = write_classifier(tmp_path / "models", spot_localiser(), localising())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", register_classifier(tmp_path, directory, "pneumonia-localize"))
    Path("films").mkdir()
    film = spotted((16, 12, 40, 36, 200))
    Path("films/spot.png").write_bytes(png(film))
    Path("films/text.png").write_text("no film")
    localiser = ("--model", "models:/pneumonia-localize@champion")
    result = predict("films", *localiser, "--overlay", "boxes", "--format", "json")
    assert result.exit_code == 1
    spot, text = json.loads(result.stdout)
    [box] = spot["boxes"]
    assert (box["x"], box["y"], box["width"], box["height"]) == (16, 12, 40, 36)
    assert (text["boxes"], text["reason"]) == (None, "not an image: neither JPEG nor PNG nor DICOM")
    picture = np.asarray(Image.open("boxes/spot.png.png")).astype(int)
    blue = np.argwhere(picture[..., 2] - picture[..., 0] > 100)
    assert picture.shape == (*film.shape, 3)
    assert blue.min(axis=0).tolist() == [12, 16]
    assert blue.max(axis=0).tolist() == [48, 56]
    counted = predict("films/spot.png", *localiser).stdout.splitlines()
    assert (counted[0].split()[-1], counted[1].split()[-1]) == ("boxes", "1")


NAMES = [
    b"film_$^1_$.jpeg", "胸部正面片".encode() * 16 + b".jpg", b"=1+1.jpeg", b"-x.png", b"\xe9.png", b"\\xe9.png",
    b"two\nlines.png", b"tab\t.png", b"return\r.png", b"\x1b[2J\x1b[31mred.png", "\u202egnp.png".encode(),
    b"\xed\xa0\x80.png", b"blank.png ", b"\"a\", 'b'.png", b"<script>alert(1)<script>.png", b"a" * 251 + b".png",
]  # fmt: skip


@pytest.fixture
def named(films: Path) -> dict[str, float]:
    """The working directory holds films of `NAMES`; each one's mean grey as a share of 255."""
    greys = {}
    for seed, name in enumerate(NAMES):
        with open(name, "wb") as file:
            file.write(png(film := thorax(seed)))
        greys[os.fsdecode(name)] = film.mean() / 255
    return greys


@pytest.mark.parametrize("form", ["csv", "json"])
def test_each_film_has_its_row_whatever_it_is_called(named: dict[str, float], form: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pneumonia.commands.cli", "predict", "--format", form, "--", *named],
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert result.returncode == 0, result.stderr
    text = result.stdout.decode()
    written = [name.replace("\udce9", "\\xe9~2").replace("\udced\udca0\udc80", r"\xed\xa0\x80") for name in named]
    if form == "csv":
        rows = pd.read_csv(io.StringIO(text, newline=""), keep_default_na=False).to_dict("records")
        written = [f"./{name}" if name.startswith(("=", "-")) else name for name in written]
    else:
        rows = json.loads(text)
    assert [row["file"] for row in rows] == written
    assert [row["probability"] for row in rows] == pytest.approx(list(named.values()), abs=0.003)


def test_a_row_of_the_table_is_one_line_that_a_terminal_does_not_obey(named: dict[str, float]) -> None:
    result = predict("--", *named, "gone\n\x1b[1m.png")
    header, *rows = result.stdout.splitlines()
    assert header.split() == COLUMNS and len(rows) == len(named) + 1
    assert all(row.isprintable() for row in rows)
    told = [float(row.split(" normal ")[1].split()[0]) for row in rows[:-1]]
    assert told == pytest.approx(list(named.values()), abs=0.003)
    assert rows[-1].endswith("missing")


def test_a_picture_that_cannot_be_written_is_told_in_the_row_of_its_film(
    films: Path, tmp_path: Path, convolutional: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", convolutional)
    names = ["b" * 247 + ".png", "a" * 248 + ".png", "$^1_$.png", "\udce9.png", "\\xe9.png"]
    for seed, name in enumerate(names):
        Path(name).write_bytes(png(thorax(seed)))
    result = predict("--format", "json", "--overlay", "heat", *names)
    assert result.exit_code == 1
    rows = json.loads(result.stdout)
    assert [row["label"] for row in rows].count(None) == 0
    too_long = "its picture cannot be written: File name too long"
    assert [row["reason"] for row in rows] == [None, too_long, None, None, None]
    assert set(os.listdir("heat")) == {f"{name}.png" for name in names} - {f"{names[1]}.png"}


def test_pictures_are_called_by_the_paths_that_were_given_not_by_where_links_lead(
    films: Path, tmp_path: Path, convolutional: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", convolutional)
    Path("store").mkdir()
    Path("store/0a").write_bytes(png(thorax(0)))
    Path("store/0b").write_bytes(png(thorax(1)))
    Path("linked/deep").mkdir(parents=True)
    for link, stored in {"first.png": "0a", "second.png": "0a", "deep/third.png": "0b"}.items():
        Path("linked", link).symlink_to(tmp_path / "store" / stored)
    # The last is another path to the first, which gets a picture of its own.
    result = predict("linked", "linked/deep/../first.png", "--format", "json", "--overlay", "linked/heat")
    assert result.exit_code == 0, result.output
    rows = {row["file"]: row["probability"] for row in json.loads(result.stdout)}
    assert list(rows) == [
        "linked/deep/third.png", "linked/first.png", "linked/second.png", "linked/deep/../first.png"
    ]  # fmt: skip
    assert rows["linked/first.png"] == rows["linked/second.png"] != rows["linked/deep/third.png"]
    pictures = {str(path.relative_to("linked/heat")) for path in Path("linked/heat").rglob("*.png")}
    assert pictures == {"deep/third.png.png", "first.png.png", "second.png.png", "first.png~2.png"}
    again = predict("linked", "--format", "json", "--overlay", "linked/heat")
    assert len(json.loads(again.stdout)) == 3  # the pictures of before are no films


def test_what_download_ignores_is_ignored_and_told_and_a_link_that_leads_nowhere_is_missing(films: Path) -> None:
    (films / "__MACOSX").mkdir()
    for name in ("._a.JPG", "__MACOSX/._a.JPG"):
        (films / name).write_bytes(b"\0\5\26\7")
    (films / "masks").mkdir()
    (films / "masks" / "a.png").write_bytes(png(thorax(1)))
    (films / "gone.png").symlink_to("nowhere.png")
    (films / "again").symlink_to("..")
    result = predict("films", "--format", "json")
    reasons = {row["file"]: row["reason"] for row in json.loads(result.stdout)}
    assert set(reasons) == {
        f"films/{name}"
        for name in ("a.JPG", "deep/a.png", "deep/er/turned.dcm", "deep/text.jpg", "deep/empty.dicom", "gone.png")
    }
    assert reasons["films/gone.png"] == "missing"
    for told in (
        "films: left out 2 hidden files and folders, or the system's (the first is ._a.JPG)",
        "films: left out 1 masks (the first is masks/a.png)",
        "films: left out 1 links to folders that are searched already, or that this one lies in (the first is again)",
    ):
        assert told in result.stderr.splitlines()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("pneumonia", "model is 'pneumonia'; it may be models:/NAME@ALIAS or models:/NAME/VERSION"),
        ("models:/lungs@champion", "no model 'lungs' in the registry"),
        ("models:/pneumonia-binary@best", "pneumonia-binary has no alias 'best'; it has champion"),
        ("models:/pneumonia-binary/9", "pneumonia-binary has no version '9'; it has 1"),
    ],
)
def test_a_model_that_is_not_there_is_one_line(films: Path, model: str, said: str) -> None:
    assert said in mistake("films", "--model", model)


def test_a_version_is_found_by_its_number(films: Path) -> None:
    assert predict("films/a.JPG", "--model", "models:/pneumonia-binary/1").exit_code == 0


def test_a_folder_without_films_is_one_line(films: Path) -> None:
    Path("none").mkdir()
    Path("none/notes.txt").write_text("")
    assert mistake("films", "none").startswith("error: none: has no films in it")
    assert "is a folder" in mistake("films", "--output", "films")


def test_without_a_registry_none_is_made(films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert (
        "mlflow.db; in the repository's main folder `pneumonia install-model` installs one, `dvc repro` registers"
        in mistake("films")
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other.db")
    said = mistake("films")
    assert said.startswith(
        f"error: no registry at sqlite:///{Path.cwd() / 'other.db'}; in the repository's main folder "
    )
    assert said.endswith("`dvc repro --force --single-item evaluate` where it has nothing to do\n")
    assert os.listdir() == ["films"]


def test_an_empty_registry_and_a_model_of_another_kind_are_one_line(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'empty.db'}")
    mlflow.set_tracking_uri(None)
    client = mlflow.MlflowClient()
    experiment = client.create_experiment("other", artifact_location=(tmp_path / "mlruns").as_uri())
    assert "is empty; `pneumonia install-model` installs one" in mistake("films")
    mlflow.set_tracking_uri(None)
    with mlflow.start_run(experiment_id=experiment):
        mlflow.pyfunc.log_model(
            name="model", python_model=lambda x: x, pip_requirements=[], registered_model_name="pneumonia-binary"
        )
    client.set_registered_model_alias("pneumonia-binary", "champion", "1")
    assert "models:/pneumonia-binary/1 is a model of another kind" in mistake("films")


def test_the_command_itself(films: Path) -> None:
    command = [sys.executable, "-m", "pneumonia.commands.cli", "predict", "films/a.JPG", "films/deep/text.jpg"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert answer.stdout.split()[: len(COLUMNS)] == COLUMNS
    assert "Traceback" not in answer.stderr
    assert "2/2" in answer.stderr  # the progress bar


def mistake(*arguments: str) -> str:
    """What `predict` says on stderr where it cannot begin: one line."""
    result = predict(*arguments)
    assert result.exit_code == 1
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.stderr
    return lines[0] + "\n"


@pytest.mark.parametrize("form", ["csv", "json", "table"])
def test_a_killed_predict_keeps_the_rows_that_it_had_beside_the_file_of_before(
    films: Path, with_twin: str, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", with_twin)
    Path("many").mkdir()
    for number in range(5000):
        Path(f"many/{number:04}.png").symlink_to(films / "deep" / "a.png")
    Path("rows").write_text("of before")
    command = [sys.executable, "-m", "pneumonia.commands.cli", "predict", "many", "--format", form, "--output", "rows"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        partial = Path("rows.partial")
        while not partial.is_file() or partial.read_text().count("many/") < 100:
            assert process.poll() is None
        process.kill()
    rows = partial.read_text().count("normal")
    assert 90 < rows < 5000
    assert Path("rows").read_text() == "of before"
    assert predict("films/deep/a.png", "--format", form, "--output", "rows").exit_code == 0
    assert "films/deep/a.png" in Path("rows").read_text()
    assert not partial.exists()


def test_of_two_commands_that_write_one_file_the_second_is_one_line_and_the_first_keeps_its_rows(
    films: Path, with_twin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", with_twin)
    Path("many").mkdir()
    for number in range(2000):
        Path(f"many/{number:04}.png").symlink_to(films / "deep" / "a.png")
    command = [sys.executable, "-m", "pneumonia.commands.cli", "predict", "many", "--format", "csv"]
    with subprocess.Popen([*command, "--output", "rows.csv"], stderr=subprocess.DEVNULL) as process:
        while not Path("rows.csv.partial").is_file() or not Path("rows.csv.partial").read_text():
            assert process.poll() is None
        process.send_signal(signal.SIGSTOP)
        second = predict("films/deep/a.png", "--format", "csv", "--output", "rows.csv")
        process.send_signal(signal.SIGCONT)
    assert second.exit_code == 1
    told = "error: rows.csv.partial: another command writes it; --output may be another file"
    assert [line for line in second.stderr.splitlines() if line.startswith("error: ")] == [told]
    assert process.returncode == 0
    assert len(pd.read_csv("rows.csv")) == 2000


def test_a_disk_that_fills_up_is_one_line_that_names_the_file(
    films: Path, with_twin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", with_twin)
    Path("many").mkdir()
    for number in range(2000):
        Path(f"many/{number:04}.png").symlink_to(films / "deep" / "a.png")
    Path("rows").write_text("of before")
    least = 200_000  # bytes, more than any file of the model has and less than the rows
    code = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({least}, {least}))"
    code += "; from pneumonia.commands.cli import app; app()"
    command = [sys.executable, "-c", code, "predict", "many", "--format", "json", "--output", "rows"]
    said = subprocess.run(command, capture_output=True, text=True)
    assert said.returncode == 1
    told = "error: rows: cannot be written (File too large); what was there before is whole"
    assert told in said.stderr.splitlines(), said.stderr
    assert "Traceback" not in said.stderr
    assert Path("rows").read_text() == "of before"


def test_rows_come_before_the_last_film_is_read(films: Path, with_twin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", with_twin)
    Path("many").mkdir()
    for number in range(5000):
        Path(f"many/{number:04}.png").symlink_to(films / "deep" / "a.png")
    command = [sys.executable, "-m", "pneumonia.commands.cli", "predict", "many", "--format", "csv"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        first = [next(process.stdout) for _ in range(2)]
        assert process.poll() is None
        process.kill()
    assert first[1].startswith("many/0000.png,normal,")


def test_one_film_is_answered_without_what_takes_seconds_to_import(
    films: Path, with_twin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", with_twin)
    command = [sys.executable, "-X", "importtime", "-m", "pneumonia.commands.cli", "predict", "films/a.JPG"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = {line.split("|")[-1].strip() for line in answer.stderr.splitlines() if line.startswith("import time")}
    assert "onnxruntime" in imported
    assert not imported & {"keras", "tensorflow", "mlflow", "pandas", "sqlalchemy", "scipy", "matplotlib"}
