"""`pneumonia check` on real films, against what the stages then make of them."""

from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from pneumonia.commands.check import check
from pneumonia.commands.cli import app
from pneumonia.preparation.cleaning.clean import clean
from pneumonia.preparation.splitting import split
from pneumonia.sources.shared.download import download

from ..conftest import write_params
from ..small_classifier import png, thorax

FEW = {"split.val_per_class": 5, "clean.image_size": 64, "compute.workers": 1}


def write_films(root: Path, **numbers: int) -> Path:
    for name, number in numbers.items():
        (root / name).mkdir(parents=True)
        for n in range(number):
            (root / name / f"{n:02}.png").write_bytes(png(thorax(sum(map(ord, name)) * 100 + n)))
    return root


def told_of(path: Path, make_params: Any, **changes: Any) -> tuple[str, bool]:
    told, testable = check(path, make_params(FEW | changes))
    return "\n".join(told), testable


def test_it_tells_what_the_stages_then_do(tmp_path, make_params):
    films = write_films(tmp_path / "films", normal=12, pneumonia=14)
    (films / "normal" / "again.png").write_bytes((films / "normal" / "00.png").read_bytes())
    (films / "pneumonia" / "broken.png").write_bytes(png(thorax(1))[:200])
    told, testable = told_of(films, make_params, **{"clean.max_rejected": 0.2})
    assert testable
    assert f"{films}: 28 films, 26 of them usable, of 26 patients" in told
    assert "by class: normal 12 of 12 patients; pneumonia 14 of 14 patients" in told
    assert (
        "would be rejected: 1, duplicate (the first is normal/again.png: duplicate: same pixels as normal/00.png)"
        in told
    )
    assert "pneumonia/broken.png" in told
    assert told.endswith("to train: enough\nto validate: enough\nto test: enough")

    params = make_params(FEW | {"clean.max_rejected": 0.2, "dataset": "folder", "datasets.folder.path": str(films)})
    download(params, tmp_path / "raw")
    clean(params, tmp_path / "raw", tmp_path / "clean", tmp_path / "reports")
    split(params, tmp_path / "clean", tmp_path / "split.csv")
    rejected = (tmp_path / "clean" / "rejected.csv").read_text().splitlines()[1:]
    assert sorted(line.split(",")[0] for line in rejected) == ["images/normal/again.png", "images/pneumonia/broken.png"]


def test_it_tells_for_what_there_are_enough_films(tmp_path, make_params):
    told, testable = told_of(write_films(tmp_path / "few", normal=7, viral=5), make_params)
    assert "to train: not enough: class 'pneumonia' has 4 films to train and validate on" in told
    assert told.endswith("to validate: enough\nto test: enough")
    assert testable
    told, testable = told_of(write_films(tmp_path / "fewer", normal=7, viral=2), make_params)
    assert "to train: not enough: class 'pneumonia' has too few patients" in told
    assert "to validate: not enough: class 'pneumonia' has 2 films; split.val_per_class" in told
    assert told.endswith("to test: not enough: patients with pneumonia: 2, at least 5 are needed")
    assert not testable
    told, testable = told_of(write_films(tmp_path / "well", normal=7), make_params)
    assert told.endswith("to test: not enough: patients with pneumonia: 0, at least 5 are needed")
    assert not testable


def test_a_share_of_bad_films_that_would_stop_clean_is_told(tmp_path, make_params):
    films = write_films(tmp_path / "films", normal=12, pneumonia=14)
    for number in range(5):
        (films / "normal" / f"bad{number}.png").write_bytes(b"no image")
    told, testable = told_of(films, make_params)
    assert "to train: not enough: 16% of the films are rejected; clean.max_rejected is 0.05" in told
    assert testable


def test_a_table_is_read_with_the_columns_and_names_of_params(tmp_path, make_params):
    films = write_films(tmp_path / "films", a=6, b=6)
    rows = [f"{n:02}.png,{name},{name}{n // 2},{'east' if n < 4 else 'west'}" for name in "ab" for n in range(6)]
    table = films / "films.csv"
    table.write_text("\n".join(["where,what,who,site", *(f"{row.split(',')[1]}/{row}" for row in rows)]))
    told, _ = told_of(
        table, make_params,
        **{
            "datasets.folder.columns": {"file": "where", "label": "what", "patient": "who"},
            "datasets.folder.labels": {"a": "normal", "b": "bacterial"},
        },
    )  # fmt: skip
    assert f"{table}: 12 films, 12 of them usable, of 6 patients" in told
    assert "by class: normal 6 of 3 patients; pneumonia 6 of 3 patients" in told
    assert "by label: bacterial 6 of 3 patients; normal 6 of 3 patients" in told
    assert "by site: east 8 of 4 patients; west 4 of 2 patients" in told


def test_labels_coarser_than_the_tasks_are_enough_to_test_only(tmp_path, make_params):
    films = write_films(tmp_path / "films", normal=6, pneumonia=6)
    told, testable = told_of(films, make_params, task="multiclass")
    assert "by class: normal 6 of 6 patients; pneumonia 6 of 6 patients" in told
    for what in ("train", "validate"):
        assert f"to {what}: not enough: label 'pneumonia' has no class in task 'multiclass'" in told
    assert told.endswith("to test: enough")
    assert testable


def test_the_command_ends_with_1_where_one_could_not_even_test(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path / "params.yaml", FEW)
    films = write_films(tmp_path / "films", normal=5)
    done = CliRunner().invoke(app, ["check", str(films)])
    assert done.exit_code == 1
    assert "to test: not enough" in done.stdout
    write_films(films, viral=5)
    assert CliRunner().invoke(app, ["check", str(films)]).exit_code == 0
    before = sorted(tmp_path.iterdir())
    done = CliRunner().invoke(app, ["check", "films/none.csv"])
    assert (done.exit_code, sorted(tmp_path.iterdir())) == (1, before)
