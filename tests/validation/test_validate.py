"""`pneumonia validate`, on films that it has seen and others, with a real store."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from mlflow import MlflowClient
from PIL import Image
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from pneumonia.commands.cli import app
from pneumonia.inference.decision import Decision

from .conftest import MIDDLE, Place

NAME = "pneumonia-binary"


def validate(*arguments: object, succeeds: bool = True) -> Result:
    result = CliRunner().invoke(app, ["validate", *map(str, arguments), "--model", f"models:/{NAME}/1"])
    assert (result.exit_code == 0) == succeeds, result.output
    return result


def test_the_frozen_model_is_measured_on_films_elsewhere_and_the_version_says_so(home: Place):
    images, rows = home.elsewhere(noise=40)
    table = home.write(images, rows)
    said = validate(table, "--name", "north", "--labels-by", "two radiologists").output
    decision = Decision.load(Path("models/decision.json"))
    logit = (images[:, *MIDDLE].mean(axis=(1, 2)) / 10 - 12) / decision.temperature
    sick = (rows["label"] == "pneumonia").to_numpy()
    auc, called = roc_auc_score(sick, logit), 1 / (1 + np.exp(-logit)) >= decision.threshold
    metrics = json.loads(Path("validation/north/metrics.json").read_text())["test"]
    assert metrics["roc_auc"] == pytest.approx(auc, abs=1e-3)
    assert metrics["sensitivity"] == pytest.approx(called[sick].mean())
    assert metrics["specificity"] == pytest.approx((~called[~sick]).mean())
    assert f"roc_auc {metrics['roc_auc']:.3f}" in said
    assert "labels by: two radiologists" in said

    client = MlflowClient(home.store)
    tags = client.get_model_version(NAME, "1").tags
    assert tags["external.north.roc_auc"].startswith(f"{metrics['roc_auc']:.4f} (")
    assert (tags["external.north.films"], tags["external.north.labels_by"]) == ("120", "two radiologists")
    run = client.get_run(tags["external.north.run"])
    assert (run.info.run_name, run.info.status) == ("validation-north", "FINISHED")
    assert run.data.metrics["test/roc_auc"] == pytest.approx(metrics["roc_auc"])
    assert {file.path for file in client.list_artifacts(run.info.run_id, "reports")} >= {
        "reports/report.html",
        "reports/predictions.csv",
        "reports/evaluation",
    }
    page = Path("validation/north/report.html").read_text()
    assert "Labels by: two radiologists" in page
    assert page.count("data:image/png;base64,") >= 5


def test_films_and_patients_that_it_was_trained_on_are_left_out_and_counted(home: Place):
    images, rows = home.elsewhere()
    smaller = [np.asarray(Image.fromarray(image).resize((96, 96))) for image in home.images[:3]]  # of the training
    of_known = home.elsewhere(4, seed=5)[0]
    table = home.write(
        [*images, *smaller, home.images[90], home.images[200], *of_known, images[0]],
        pd.concat(
            [
                rows,
                pd.DataFrame(
                    {
                        "label": ["normal"] * 5 + ["pneumonia"] * 4 + [rows["label"][0]],
                        "patient": ["new1", "new2", "new3", "new4", "new5"] + ["patient003"] * 4 + ["other000"],
                    }
                ),
            ]
        ),
    )
    said = validate(table, "--name", "south").output
    assert "left out: 4 seen in training or validation" in said  # the one from the home's test films stays
    assert "left out: 4 of a patient who was in training or validation" in said
    assert "left out: 1 duplicate" in said
    assert "121 films" in said
    assert len(pd.read_csv("validation/south/left_out.csv")) == 9
    assert "labels by: not told" in said

    others = validate(table, "--name", "west", "--other-patients").output
    assert "of a patient" not in others
    assert "125 films" in others


def test_patients_of_another_salt_are_not_recognised_and_that_is_told(home: Place, monkeypatch):
    images, rows = home.elsewhere()
    table = home.write(images, rows.assign(patient=[f"patient{number:03}" for number in range(60, 180)]))
    assert "100 of a patient who was in training or validation" in validate(table, "--name", "mine").output
    monkeypatch.setenv("PNEUMONIA_SALT", "another")
    said = validate(table, "--name", "salty").output
    assert "patients cannot be recognised" in said
    assert "120 films" in said


def test_a_folder_is_labelled_by_its_class_folders(home: Place):
    images, rows = home.elsewhere(40)
    for number, (image, label) in enumerate(zip(images, rows["label"], strict=True)):
        place = Path("folder", label.upper(), f"p{number}")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / "film.png")
    Path("folder/NORMAL/broken.png").write_bytes(b"no film")
    said = validate("folder").output
    assert "40 films" in said
    assert "left out: 1 " in said
    assert Path("validation/folder/report.html").is_file()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda rows: rows.assign(label=["ill", *rows["label"][1:]]),
            "label 'ill' has no meaning (row 2); a label may",
        ),
        (lambda rows: rows.drop(columns="label"), "lies in no class folder; the layout must be"),
        (lambda rows: rows.assign(label="normal"), "patients with pneumonia: 0, at least 5 are needed"),
    ],
)
def test_what_cannot_be_validated_on_is_told_in_one_line_and_nothing_is_left(home: Place, change, told):
    images, rows = home.elsewhere(40)
    result = validate(home.write(images, change(rows)), succeeds=False)
    assert told in result.output
    assert len(result.output.strip().splitlines()[-1:]) == 1
    assert not Path("validation/elsewhere").exists()


def test_mistakes_in_a_table_are_told_all_at_once_with_their_rows(home: Place):
    images, rows = home.elsewhere(40)
    table = home.write(images, rows)
    text = table.read_text().splitlines()
    text[3], text[5] = text[3].replace("2.png", "gone.png"), text[5].replace("normal", "fine")
    table.write_text("\n".join([*text, text[-1]]) + "\n")
    told = validate(table, succeeds=False).output
    assert "no such film: 'gone.png' (row 4)" in told
    assert "label 'fine' has no meaning (row 6)" in told
    assert "'39.png' has several rows, which only a column reader explains (rows 41, 42)" in told


def test_a_version_without_what_it_has_seen_says_that_it_cannot_tell(home: Place):
    [carried] = home.root.glob("mlruns/**/artifacts/home.json")
    images, rows = home.elsewhere(40)
    kept = carried.read_bytes()
    carried.unlink()
    try:
        said = validate(home.write(images, rows)).output
    finally:
        carried.write_bytes(kept)
    assert "whether it has seen these films cannot be told" in said
    assert "cannot be told" in Path("validation/elsewhere/report.html").read_text()
    losses = json.loads(Path("validation/elsewhere/reasons.json").read_text())["the loss"]["rows"]  # by its tags
    evaluated = json.loads(Path("reports/metrics.json").read_text())["test"]["roc_auc"]
    assert losses[0]["home"] == pytest.approx(evaluated, abs=1e-4)
