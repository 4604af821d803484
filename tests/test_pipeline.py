"""The real pipeline in a repository of its own: real DVC, a real MLflow store, small phantoms."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest
import yaml

from .conftest import write_params
from .small_repository import ENVIRONMENT, SMALL, Repository


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Repository:
    """The project after its first `dvc repro`."""
    project = Repository(tmp_path_factory.mktemp("project"))
    project.run("dvc", "repro")
    project.commit()
    return project


def test_one_command_makes_an_evaluated_registered_model(repository):
    root = repository.root
    films = pd.read_csv(root / "data" / "split.csv")
    assert films[films["part"] == "val"]["class"].value_counts().to_dict() == {"normal": 5, "pneumonia": 5}
    metrics = json.loads((root / "reports" / "metrics.json").read_text())
    assert 0 <= metrics["test"]["roc_auc"] <= 1
    predictions = pd.read_csv(root / "reports" / "predictions.csv")
    assert len(predictions) == films["part"].isin(["val", "test"]).sum()

    [run] = repository.mlflow_runs()
    assert run.info.status == "FINISHED"
    assert run.data.metrics["test/roc_auc"] == pytest.approx(metrics["test"]["roc_auc"])
    assert run.data.tags["pneumonia.model_sha256"] == sha256((root / "models" / "model.keras").read_bytes()).hexdigest()
    client = repository.mlflow()
    pictures = {file.path for file in client.list_artifacts(run.info.run_id, "reports/evaluation")}
    made = ("confusion_test.png", "curves.png", "receptive_field.png", "receptive_field.csv")
    assert {f"reports/evaluation/{name}" for name in made} <= pictures
    assert "reports/batch.png" in {file.path for file in client.list_artifacts(run.info.run_id, "reports")}
    version = client.get_model_version("pneumonia-binary", "1")
    assert version.run_id == run.info.run_id
    alias, _, reason = version.tags["decision"].partition(": ")
    assert version.aliases == [alias]
    assert ("no better than chance" in reason) == (alias == "challenger")


def test_a_second_repro_does_nothing(repository):
    assert repository.run("dvc", "repro").count("Running stage") == 1  # `inputs`, which looks whether there is any
    assert len(repository.mlflow_runs()) == 1
    assert repository.changed_stages() == []


@pytest.mark.parametrize(
    ("key", "value", "stages"),
    [
        ("datasets.phantom.seed", 1, ["download"]),
        ("datasets.kermany.path", "elsewhere", []),
        ("datasets.kermany.recommended.epochs", 9, []),
        ("clean.min_size", 30, ["clean", "evaluate"]),
        ("split.val_per_class", 6, ["split"]),
        ("rebalance.method", "oversample", ["rebalance"]),
        ("train.optimizer", "sgd", ["train"]),
        ("evaluate.threshold", "youden", ["evaluate"]),
        ("models.cnn.recommended.learning_rate", 0.002, ["train"]),
        ("models.inception.dropout", 0.5, []),
        ("model", "inception", ["train", "evaluate"]),
        ("localize.nms_iou", [0.2], ["evaluate"]),
        ("seed", 1, ["split", "rebalance", "train"]),
        ("compute.workers", 2, []),
    ],
)
def test_a_parameter_re_runs_its_stage_and_nothing_before(repository, key, value, stages):
    try:
        write_params(repository.root / "params.yaml", SMALL | {key: value})
        assert repository.changed_stages() == stages
    finally:
        repository.run("git", "checkout", "--quiet", "params.yaml")


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("sources/phantom/thorax.py", ["download"]),
        ("sources/kermany/source.py", []),
        ("preparation/cleaning/clean_one.py", ["clean"]),
        ("preparation/splitting.py", ["split"]),
        ("preparation/rebalancing.py", ["rebalance"]),
        ("training/fitting.py", ["train"]),
        ("models/cnn/network.py", ["train", "evaluate"]),
        ("models/mobilenet_v2/network.py", []),
        ("models/centernet/centers.py", []),
        ("evaluation/report/page.py", ["evaluate"]),
        ("evaluation/receptive_field.py", ["evaluate"]),
        ("inference/familiarity.py", ["evaluate"]),
        ("registry/runs.py", ["evaluate"]),
        ("registry/store.py", ["evaluate"]),
        ("params/stages.py", []),
        ("commands/predict.py", []),
        ("evaluation/__pycache__/other.pyc", []),
    ],
)
def test_code_re_runs_its_stage_and_nothing_before(repository, file, stages):
    with edited(repository, file):
        assert repository.changed_stages() == stages


@pytest.mark.parametrize(
    ("choices", "file", "stages"),
    [
        ({"dataset": "kermany"}, "sources/phantom/thorax.py", []),
        ({"dataset": "kermany"}, "sources/kermany/source.py", ["download"]),
        ({"model": "inception"}, "models/inception/network.py", ["train", "evaluate"]),
        ({"model": "inception"}, "models/cnn/network.py", []),
        ({"task": "localize", "model": "centernet"}, "models/mobilenet_v2/network.py", ["train", "evaluate"]),
        ({"task": "localize", "model": "centernet"}, "models/centernet/centers.py", ["train", "evaluate"]),
        ({"task": "localize", "model": "centernet"}, "models/resnet_seg/network.py", []),
    ],
)
def test_code_re_runs_what_chose_it_and_nothing_else(repository, choices, file, stages):
    try:
        write_params(repository.root / "params.yaml", SMALL | choices)
        repository.run("dvc", "commit", "--force", "--quiet")  # as if these choices had been run
        assert repository.changed_stages() == []
        with edited(repository, file):
            assert repository.changed_stages() == stages
    finally:
        repository.run("git", "checkout", "--quiet", "params.yaml", "dvc.lock")


@contextmanager
def edited(repository: Repository, file: str) -> Iterator[None]:
    """Have a file of the package end in another comment."""
    path = repository.root / "src" / "pneumonia" / file
    code = path.read_text() if path.exists() else None
    path.parent.mkdir(exist_ok=True)
    try:
        path.write_text((code or "") + "\n# changed\n")
        yield
    finally:
        path.unlink() if code is None else path.write_text(code)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("train.epochs", 0, "error: params.yaml: train.epochs is 0; it should be greater than or equal to 1, or auto"),
        ("split.val_per_class", 500, "error: class 'normal' has"),
        ("clean.min_size", 65, "error: "),
        ("model", "incepton", "models.incepton' are missing"),
        ("dataset", "kermny", "datasets.kermny' are missing"),
    ],
)
def test_a_mistake_is_told_and_leaves_the_earlier_outputs_whole(repository, key, value, told):
    before = fingerprint(repository.root)
    try:
        write_params(repository.root / "params.yaml", SMALL | {key: value})
        output = repository.run("dvc", "repro", check=False)
        assert told in output
        assert "Traceback" not in output
    finally:
        repository.run("git", "checkout", "--quiet", "params.yaml", "dvc.lock")
    assert fingerprint(repository.root) == before


def fingerprint(root: Path) -> dict[str, tuple[int, int]]:
    """Size and content of every output."""
    files = [file for folder in ("data", "models", "reports") for file in (root / folder).rglob("*") if file.is_file()]
    return {str(file): (file.stat().st_size, hash(file.read_bytes())) for file in files}


@pytest.mark.slow
def test_all_stages_and_a_prediction_without_a_home_that_can_be_written(repository):
    runs = len(repository.mlflow_runs())
    repository.run("dvc", "repro", "--force", HOME="/proc/none")
    assert len(repository.mlflow_runs()) == runs + 1
    address = ("--model", "models:/pneumonia-binary/1")
    rows = repository.run("pneumonia", "predict", "data/raw/images", *address, "--format", "csv", HOME="/proc/none")
    assert "patient0001" in rows


@pytest.mark.slow
def test_one_stage_as_an_experiment_in_a_clone_without_a_cache(repository, tmp_path):
    """DVC looks at every plot at the end of an experiment, also at those whose folder was never pulled."""
    clone = Repository.__new__(Repository)
    clone.root = tmp_path / "clone"
    repository.run("git", "clone", "--quiet", ".", str(clone.root))
    clone.run("dvc", "exp", "run", "--name", "finer", "-S", "clean.min_size=31", "clean")
    assert "finer" in clone.run("dvc", "exp", "list")
    assert (clone.root / "data" / "clean" / "index.csv").is_file()


@pytest.mark.slow
def test_an_experiment_in_a_copy_ends_in_the_same_store(repository):
    before = {run.info.run_id for run in repository.mlflow_runs()}
    repository.run("dvc", "exp", "run", "--temp", "--name", "more-epochs", "-S", "train.epochs=2")
    [run] = [run for run in repository.mlflow_runs() if run.info.run_id not in before]
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "cnn-phantom-binary more-epochs"
    assert run.data.tags["dvc.experiment"] == "more-epochs"
    assert run.data.params["train.epochs"] == "2"
    artifacts = Path(run.info.artifact_uri.removeprefix("file://"))
    assert artifacts.is_relative_to(repository.root / "mlruns")
    assert (artifacts / "params.yaml").exists()
    assert "more-epochs" in repository.run("dvc", "exp", "show", "--csv")


@pytest.mark.slow
def test_queued_experiments_two_at_a_time_all_end_in_the_store(repository):
    """Two models, and three classes through every stage."""
    before = {run.info.run_id for run in repository.mlflow_runs()}
    three_classes = ["-S", "task=multiclass", "-S", "split.val_per_class=2"]
    repository.run("dvc", "exp", "run", "--queue", "-S", "model=cnn,resnet", *three_classes)
    repository.run("dvc", "queue", "start", "--jobs", "2")
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        status = repository.run("dvc", "queue", "status")
        if "Running" not in status and "Queued" not in status:
            break
        time.sleep(2)
    made = [run for run in repository.mlflow_runs() if run.info.run_id not in before]
    chosen = {(run.data.params["model"], run.data.params["task"]) for run in made}
    assert chosen == {("cnn", "multiclass"), ("resnet", "multiclass")}, status
    assert {run.info.status for run in made} == {"FINISHED"}
    client = repository.mlflow()
    versions = client.search_model_versions("name LIKE 'pneumonia-%'")
    assert {run.info.run_id for run in made} <= {version.run_id for version in versions}

    three = made[0]
    assert {"test/roc_auc", "test/specificity_low", "test/classes/roc_auc_low", "test/viral/sensitivity"} <= set(
        three.data.metrics
    )
    pictures = {file.path for file in client.list_artifacts(three.info.run_id, "reports/evaluation")}
    assert {"reports/evaluation/curves_bacterial.png", "reports/evaluation/confusion_test.png"} <= pictures
    assert set(client.get_registered_model("pneumonia-multiclass").aliases) <= {"champion", "challenger"}


def test_a_killed_training_goes_on_from_its_last_epoch_and_ends_as_if_nothing_had_been(repository):
    root = repository.root
    before, runs = fingerprint(root), {run.info.run_id for run in repository.mlflow_runs()}
    try:
        write_params(root / "params.yaml", SMALL | {"train.epochs": 8, "train.patience": 8, "train.ema": 0.9})
        with subprocess.Popen(
            ["dvc", "repro"], cwd=root, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        ) as process:  # fmt: skip
            assert any(line.startswith("Epoch 4/") for line in process.stdout)
            os.killpg(process.pid, signal.SIGKILL)
        assert {name: content for name, content in fingerprint(root).items() if "checkpoint" not in name} == before
        assert repository.changed_stages() == ["train"]
        with edited(repository, "evaluation/report/page.py"):  # which throws no training away
            assert "Epoch 1/" not in repository.run("dvc", "repro", "train")
        resumed = pd.read_csv(root / "reports" / "history.csv")
        [run] = [run for run in repository.mlflow_runs() if run.info.run_id not in runs]
        assert run.info.status == "FINISHED"
        assert int(run.data.tags["pneumonia.resumed_after_epoch"]) >= 3
        logged = repository.mlflow().get_metric_history(run.info.run_id, "epoch/val_loss")
        assert sorted({metric.step for metric in logged}) == list(range(1, 9))
        repository.run("dvc", "repro", "--force", "--single-item", "train")
        whole = pd.read_csv(root / "reports" / "history.csv")
        pd.testing.assert_frame_equal(resumed, whole, check_exact=True)
        assert not list((root / "models").glob(".checkpoint*"))
    finally:
        repository.run("git", "checkout", "--quiet", "params.yaml", "dvc.lock")
        repository.run("dvc", "checkout", "--quiet")


def test_dvc_knows_the_metrics_and_the_plots(repository):
    metrics = json.loads(repository.run("dvc", "metrics", "show", "--json"))
    assert "roc_auc" in str(metrics)
    plots = json.loads(repository.run("dvc", "plots", "show", "--json", "--split").splitlines()[-1])["data"]
    shown = {
        name: drawn[0]["anchor_definitions"]["<DVC_METRIC_DATA>"]
        for name, drawn in plots.items()
        if drawn and "anchor_definitions" in drawn[0]
    }
    assert {"loss", "AUC", "ROC of the test films", "confusion on the test films"} <= set(shown)
    assert {"true_positive_rate", "false_positive_rate"} <= set(shown["ROC of the test films"][0])
    pictures = {name for name, drawn in plots.items() if drawn and drawn[0]["type"] == "image"}
    assert {"reports/rebalance.png", "reports/clean/samples.png", "reports/evaluation/errors.png"} <= pictures


@pytest.mark.slow
def test_a_changed_evaluation_makes_a_new_run_and_leaves_the_first(repository):
    before = {run.info.run_id for run in repository.mlflow_runs()}
    path = repository.root / "src" / "pneumonia" / "evaluation" / "report" / "plots.py"
    code = path.read_text()
    try:
        path.write_text(code + "\n# changed\n")
        repository.run("dvc", "repro")
    finally:
        path.write_text(code)
    [run] = [run for run in repository.mlflow_runs() if run.info.run_id not in before]
    assert run.data.tags["pneumonia.trained_in"] in before
    assert yaml.safe_load((repository.root / "dvc.lock").read_text())["stages"]["evaluate"]


@pytest.mark.slow
def test_a_recipe_learns_scores_draws_and_registers_boxes(repository):
    """The recipe phantom_boxes through every stage, and its registered model on one of the films as they came."""
    before = {run.info.run_id for run in repository.mlflow_runs()}
    repository.run("pneumonia", "recipe", "phantom_boxes", "--temp", "-S", "models.centernet.weights=random")
    [run] = [run for run in repository.mlflow_runs() if run.info.run_id not in before]
    assert run.info.status == "FINISHED"
    used = run.data.params
    assert [used[name] for name in ("task", "model", "model.backbone")] == ["localize", "centernet", "resnet"]
    assert {"test/roc_auc", "test/boxes/map", "test/boxes/map_low", "val/boxes/map", "test/boxes/froc/1"} <= set(
        run.data.metrics
    )
    client = repository.mlflow()
    files = {Path(file.path).name for file in client.list_artifacts(run.info.run_id, "reports/evaluation")}
    assert {"boxes.png", "froc.png", "boxes.csv", "baselines.csv"} <= files
    version = client.get_model_version("pneumonia-localize", "1")
    assert version.run_id == run.info.run_id

    film = next((repository.root / "data" / "raw" / "images").iterdir())
    rows = repository.run("pneumonia", "predict", str(film), "--model", "models:/pneumonia-localize/1",
                            "--format", "csv", "--overlay", "drawn")  # fmt: skip
    assert "boxes" in rows
    assert [picture.suffix for picture in (repository.root / "drawn").iterdir()] == [".png"]
