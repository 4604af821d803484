"""On a real registry: who becomes champion, and how it is moved by hand."""

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import keras
import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from scipy.stats import norm
from typer.testing import CliRunner

from pneumonia.commands.cli import app
from pneumonia.errors import UserError
from pneumonia.evaluation.outcome import Evaluation
from pneumonia.inference.decision import Decision
from pneumonia.inference.familiarity import fit
from pneumonia.registry import versions
from pneumonia.registry.run_comparison import compare_named
from pneumonia.registry.runs import log_evaluation, start_run
from pneumonia.registry.store import open_store

from ..small_classifier import SIZE, localising, png, spot_localiser, thorax, write_classifier

NAME = "pneumonia-binary"


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """A classifier's files."""
    folder = tmp_path_factory.mktemp("models")
    film = keras.Input((8, 8, 1), name="film")
    grey = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(film))
    keras.Model(film, keras.layers.Dense(1, "sigmoid", name="probability")(grey)).save(folder / "model.keras")
    facts = {"temperature": 1.5, "threshold": 0.4, "rule": "sensitivity"}
    classes = ["normal", "pneumonia"]
    Decision(task="binary", classes=classes, image_size=8, min_size=8, **facts).save(folder / "decision.json")
    fit(np.random.default_rng(0).integers(0, 255, (20, 8, 8), dtype=np.uint8)).save(folder / "familiarity.npz")
    return folder


@pytest.fixture
def repository(tmp_path, monkeypatch, empty_database, models):
    """A repository's root with an MLflow database and 120 films, half of them sick, as the working directory."""
    shutil.copytree(models, tmp_path / "models")
    (tmp_path / "data" / "clean").mkdir(parents=True)
    np.save(tmp_path / "data" / "clean" / "images.npy", np.zeros((240, 8, 8), np.uint8))
    films = pd.DataFrame({"image": range(240), "file": [f"{n:03}.png" for n in range(240)]})
    films["label"] = films["class"] = np.where(films["image"] % 2, "pneumonia", "normal")
    films["label"] = films["label"].replace("pneumonia", "viral")
    films["patient"], films["part"] = films["file"], ["val"] * 120 + ["test"] * 120
    films.to_csv(tmp_path / "data" / "split.csv", index=False)
    films.assign(width=8, height=8).to_csv(tmp_path / "data" / "clean" / "index.csv", index=False)
    shutil.copy(empty_database, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    yield tmp_path
    mlflow.end_run()
    mlflow.set_tracking_uri(None)


def evaluated(params, separation: float, seed: int = 0) -> tuple[str, str]:
    """A run whose probabilities tell the films apart by so many standard deviations: its id, and the decision."""
    films, reports = pd.read_csv("data/split.csv", dtype=str), Path(f"reports{seed}")
    reports.mkdir(exist_ok=True)
    sick = films["class"] == "pneumonia"
    noise = np.random.default_rng(0).normal(size=len(films)) + np.random.default_rng(seed + 1).normal(
        0, 0.1, len(films)
    )
    probability = norm.cdf(noise / 2 + separation * (sick - 0.5))
    called = np.where(probability >= 0.4, "pneumonia", "normal")
    films.assign(probability=probability, predicted=called).to_csv(reports / "predictions.csv", index=False)
    rows = [
        {"part": part, "metric": figure, "value": 0.9, "low": 0.5 + separation / 9, "high": 0.95}
        for part in ("val", "test")
        for figure in versions.TAGGED
    ]
    decision = Decision.load(Path("models/decision.json"))
    figures = {part: {"roc_auc": 0.9} for part in ("val", "test")}
    outcome = Evaluation(figures, decision, pd.DataFrame(), pd.DataFrame(rows), pd.DataFrame(), [])
    open_store("pneumonia")
    with start_run(params, Path("data")) as run:
        log_evaluation(figures, outcome.intervals, [], outcome.decision.temperature, reports)
        said = versions.register(params, outcome, "A card.", Path("data"), Path("models"), reports)
    return run.info.run_id, said


def logged(params, reports: Path) -> str:
    """A run that logs what is in `reports`: its id."""
    metrics = {part: {"roc_auc": 0.9} for part in ("val", "test")}
    rows = pd.DataFrame({"part": ["test"], "metric": "roc_auc", "value": 0.9, "low": 0.8, "high": 0.95})
    open_store("pneumonia")
    with start_run(params, Path("data")) as run:
        log_evaluation(metrics, rows, [], 1.0, reports)
    return str(run.info.run_id)


def champion() -> str:
    return str(MlflowClient().get_model_version_by_alias(NAME, "champion").version)


def test_the_champion_moves_only_when_the_paired_comparison_favours_the_newcomer(repository, make_params):
    params = make_params()
    assert "version 1 is champion: there was none" in evaluated(params, 1.0)[1]
    alike = evaluated(params, 1.0, seed=1)[1]
    assert "version 2 is challenger: validation AUC 0." in alike
    assert "of version 1, difference" in alike
    assert champion() == "1"
    assert "version 3 is champion: validation AUC" in evaluated(params, 2.0)[1]
    assert champion() == "3"
    client = MlflowClient()
    assert str(client.get_model_version_by_alias(NAME, "challenger").version) == "2"
    third = client.get_model_version(NAME, "3")
    assert third.tags["decision"].startswith("champion: validation AUC")
    assert third.tags["test.roc_auc"] == "0.9000 (0.7222 to 0.9500)"
    assert third.description == "A card."

    assert versions.rollback(NAME) == f"{NAME} version 1 is champion again, version 3 was"
    with pytest.raises(UserError, match="has no champion before this one; `pneumonia promote` makes a version"):
        versions.rollback(NAME)
    assert versions.promote(NAME, "2") == f"{NAME} version 2 is champion, version 1 was"
    assert versions.promote(NAME, "2") == f"{NAME} version 2 is champion already"
    assert client.get_registered_model(NAME).aliases == {"champion": 2, "challenger": 3}
    for version in ("3", "2"):
        versions.promote(NAME, version)
    assert [versions.rollback(NAME).split()[2] for _ in range(3)] == ["3", "2", "1"]
    versions.promote(NAME, "2")
    with pytest.raises(UserError, match="has no version '9'; it has 3, 2, 1"):
        versions.promote(NAME, "9")
    with pytest.raises(UserError, match=f"no model 'pneumonia' in the registry at .*; it has {NAME}"):
        versions.promote("pneumonia", "1")


def test_real_films_replace_generated_ones_unless_at_chance_and_other_films_challenge(repository, make_params):
    evaluated(make_params(), 2.0)
    assert (
        "is challenger: it may be no better than chance, validation AUC 0.9000 (0.5000 to 0.9500)"
        in (evaluated(make_params({"dataset": "kermany"}), 0.0)[1])
    )
    assert (
        "is champion: version 1 knew generated films only, this one kermany"
        in (evaluated(make_params({"dataset": "kermany"}), 1.0)[1])
    )
    split = Path("data/split.csv")
    split.write_text(split.read_text().replace("000.png", "999.png"))
    assert (
        "is challenger: version 3 was validated on other films, of kermany"
        in (evaluated(make_params({"dataset": "kermany"}), 3.0)[1])
    )


def test_beside_a_champion_that_came_with_the_package_a_newcomer_is_challenger(repository, make_params):
    evaluated(make_params({"dataset": "kermany"}), 1.0)
    MlflowClient().set_model_version_tag(NAME, "1", versions.INSTALLED, "fingerprint")
    MlflowClient().delete_model_version_tag(NAME, "1", "validation_films")
    assert evaluated(make_params({"dataset": "kermany"}), 3.0)[1] == (
        f"{NAME} version 2 is challenger: version 1 came with the package and brings no predictions to compare; "
        "`pneumonia promote` moves the alias by hand"
    )


def carried(version: str) -> set[str]:
    model = mlflow.artifacts.download_artifacts(artifact_uri=f"models:/{NAME}/{version}")
    return {file.name for file in (Path(model) / "artifacts").iterdir()}


def test_a_version_carries_its_twin_or_says_why_not(repository, make_params):
    evaluated(make_params(), 1.0)
    client = MlflowClient()
    assert "model.onnx" in carried("1")
    assert re.fullmatch(
        r"differs from Keras by \S+ at most on 120 validation films", client.get_model_version(NAME, "1").tags["onnx"]
    )
    # In half precision Keras says something else than ONNX Runtime in whole.
    film = keras.Input((8, 8, 1), name="film")
    grey = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 300, dtype="mixed_bfloat16")(film))
    keras.Model(film, keras.layers.Dense(1, "sigmoid", name="probability")(grey)).save("models/model.keras")
    np.save("data/clean/images.npy", np.random.default_rng(0).integers(0, 255, (240, 8, 8), dtype=np.uint8))
    evaluated(make_params(), 1.0, seed=1)
    assert client.get_model_version(NAME, "2").tags["onnx"].startswith("none: ")
    assert "model.onnx" not in carried("2")


ONE_OF_TWO = """
import sys; sys.path[:0] = [{tests!r}]
from pathlib import Path
from pneumonia.params.load import load_params
from tests.registry.test_versions import evaluated
print(evaluated(load_params(Path({params!r})), 1.5, seed=int(sys.argv[1]))[1])
"""


@pytest.mark.slow
def test_of_two_runs_that_finish_at_once_one_wins(repository, make_params, tmp_path):
    make_params()
    code = ONE_OF_TWO.format(tests=str(Path(__file__).parents[2]), params=str(tmp_path / "params.yaml"))
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(seed)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for seed in (1, 2)
    ]
    finished = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], finished
    said = [output.splitlines()[-1] for output, _ in finished]
    assert sorted("is champion: there was none" in each for each in said) == [False, True]
    [other] = [each for each in said if "is challenger" in each]
    assert "is challenger: validation AUC" in other
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    assert set(MlflowClient().get_registered_model(NAME).aliases) == {"champion", "challenger"}


KILLED = """
import os, signal, sys; sys.path[:0] = [{tests!r}]
from pathlib import Path
from pneumonia.params.load import load_params
from pneumonia.registry import versions
from tests.registry.test_versions import evaluated
versions._alias_and_reason = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
evaluated(load_params(Path({params!r})), 1.0)
"""


def test_a_version_whose_evaluation_was_killed_before_it_was_decided_says_so(repository, make_params, tmp_path):
    params = make_params()
    code = KILLED.format(tests=str(Path(__file__).parents[2]), params=str(tmp_path / "params.yaml"))
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert "version 2 is champion: there was none" in evaluated(params, 1.0)[1]
    client = MlflowClient()
    killed = client.get_model_version(NAME, "1")
    assert (killed.tags["decision"], killed.aliases) == ("none: its evaluation was killed", [])
    assert client.get_run(killed.run_id).info.status == "KILLED"


def test_a_model_that_may_be_no_better_than_chance_is_no_champion_and_predict_says_why(repository, make_params):
    assert "version 1 is challenger: it may be no better than chance" in evaluated(make_params(), 0.0)[1]
    Path("film.png").write_bytes(png(thorax(0)))
    said = CliRunner().invoke(app, ["predict", "film.png"])
    assert said.exit_code == 1
    assert (
        f"error: {NAME} has no alias 'champion'; it has challenger; no version was found better than chance yet, "
        in (said.stderr)
    )
    versions.promote(NAME, "1")  # by hand it may
    assert "version 2 is challenger: it may be no better than chance" in evaluated(make_params(), 0.0, seed=1)[1]
    assert champion() == "1"


def test_two_runs_are_compared_by_id_or_name(repository, make_params):
    first, second = (evaluated(make_params(), separation)[0] for separation in (0.5, 2.0))
    table = compare_named(first, second[:8], "test")[1]
    assert table.loc["roc_auc", "means"] == "the second is better"
    assert table.loc["roc_auc", "difference"] > 0.1
    said = CliRunner().invoke(app, ["compare", second, first, "--part", "val"])
    assert "the first is better" in said.stdout
    mistake = CliRunner().invoke(app, ["compare", "cnn-phantom-binary", first])
    assert "run 'cnn-phantom-binary' is not one but 2; it may be one of their ids: " in mistake.stderr
    mistake = CliRunner().invoke(app, ["compare", "resnet", first])
    assert "run 'resnet' is not in experiment 'pneumonia'; it may be cnn-phantom-binary (" in mistake.stderr


def write_boxes(seed: int, found: int) -> None:
    """Boxes of the run with this seed: right on the first `found` sick films of val, wrong on the others."""
    films = pd.read_csv("data/split.csv", dtype=str)
    sick = films[films["class"] == "pneumonia"].reset_index(drop=True)
    box = sick[["file", "part"]].assign(x=10.0, y=10.0, width=20.0, height=20.0)
    folder = Path(f"reports{seed}/evaluation")
    folder.mkdir(parents=True)
    box.to_csv(folder / "true_boxes.csv", index=False)
    box["x"] = np.where(box.index < found, 10.0, 50.0)
    box.assign(confidence=0.9, shown=True).to_csv(folder / "boxes.csv", index=False)


def test_of_localisers_the_boxes_decide(repository, make_params):
    write_classifier(repository / "models", spot_localiser(), localising())
    np.save(repository / "data" / "clean" / "images.npy", np.zeros((240, SIZE, SIZE), np.uint8))
    params = make_params({"task": "localize", "model": "resnet_seg"})
    for seed, found in ((0, 30), (1, 20), (2, 50)):
        write_boxes(seed, found)
    first, said = evaluated(params, 1.0)
    assert said == "pneumonia-localize version 1 is champion: there was none"
    _, said = evaluated(params, 2.0, seed=1)
    assert "version 2 is challenger: validation mean average precision 0.3333 against 0.5000 of version 1" in said
    third, said = evaluated(params, 1.0, seed=2)
    assert "version 3 is champion: validation mean average precision 0.8333 against 0.5000" in said
    table = compare_named(first, third, "val")[1]
    assert table.loc["boxes/map", "means"] == "the second is better"
    assert table.loc["roc_auc", "means"] == "no difference that these films can show"


def test_a_binary_run_and_one_of_three_classes_are_compared_by_the_metrics_that_both_have(repository, make_params):
    shutil.copy(Path(__file__).parents[2] / "params.yaml", "params.yaml")
    binary, _ = evaluated(make_params(), 1.0)
    tables = pd.read_csv("reports0/predictions.csv", dtype={"file": str, "patient": str})
    sick, called = (tables[column] == "pneumonia" for column in ("class", "predicted"))
    third = tables["image"] % 3 == 0
    for column, ill in (("class", sick), ("predicted", called)):
        tables[column] = np.where(ill, np.where(third, "viral", "bacterial"), "normal")
    # The same network but that it is told three classes: the metrics of pneumonia of any kind may not move.
    for name, share in (("normal", 1 - tables["probability"]), ("bacterial", tables["probability"] * 0.9)):
        tables[f"probability_{name}"] = share
    tables["probability_viral"] = tables["probability"] * 0.1
    tables.to_csv("reports0/predictions.csv", index=False)
    three = logged(make_params({"task": "multiclass"}), Path("reports0"))
    for first, second in ((binary, three), (three, binary)):
        said, table = compare_named(first, second, "test")
        assert "they are compared by the metrics that both have: pneumonia of any kind" in said
        assert table.index.tolist() == [
            "roc_auc", "pr_auc", "accuracy", "sensitivity", "specificity", "precision", "f1",
        ]  # fmt: skip
        assert (table[["difference", "low", "high"]] == 0).all(axis=None)
        assert 0.6 < table.loc["roc_auc", "first"] < 0.99
    said, table = compare_named(three, three, "test")
    assert "metrics that both have" not in said
    assert "bacterial_against_viral/roc_auc" in table.index
    shown = CliRunner().invoke(app, ["compare", binary, three]).stdout
    assert "pneumonia of any kind, or an opacity, against none" in shown

    tables.loc[tables["file"] == "121.png", "class"] = "normal"
    tables.to_csv("reports0/predictions.csv", index=False)
    corrected = logged(make_params({"task": "multiclass"}), Path("reports0"))
    with pytest.raises(UserError, match=r"1 of their 120 test films have another label in the second: 121.png"):
        compare_named(binary, corrected, "test")


def test_runs_on_other_films_are_not_compared(repository, make_params):
    first, _ = evaluated(make_params(), 1.0)
    split = Path("data/split.csv")
    split.write_text(split.read_text().replace("239.png", "999.png"))
    second, _ = evaluated(make_params(), 1.0)
    with pytest.raises(UserError, match="of their test films, 120 and 120, 119 are the same"):
        compare_named(first, second, "test")
    assert len(compare_named(first, second, "val")[1]) == 7


def test_without_a_registry_there_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    said = CliRunner().invoke(app, ["promote", "1"])
    assert said.exit_code == 1
    assert said.stderr.startswith("error: no registry at sqlite:///")
    assert not (tmp_path / "mlflow.db").exists()
