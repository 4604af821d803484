"""What is said to be the reason is what was made to be it."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pneumonia.commands.cli import app

from .conftest import MIDDLE, Place


def reasons(home: Place, images: np.ndarray, rows, name: str) -> dict:
    table = home.write(images, rows, name)
    result = CliRunner().invoke(app, ["validate", str(table), "--model", "models:/pneumonia-binary/1"])
    assert result.exit_code == 0, result.output
    return json.loads(Path("validation", name, "reasons.json").read_text())


@pytest.mark.slow
def test_a_shifted_grey_is_put_right_by_a_threshold_and_noise_is_not(home: Place):
    images, rows = home.elsewhere(300, seed=3)
    brighter = images.astype(int)
    brighter[:, *MIDDLE] += 60
    shifted = reasons(home, brighter.clip(0, 255).astype(np.uint8), rows, "shifted")
    table = {row["metric"]: row for row in shifted["the threshold"]["rows"]}
    assert table["share of the loss"]["value"] > 0.7
    assert table["gain"]["low"] > 0
    assert "probabilities are too high throughout" in shifted["calibration"]["sentence"]

    noisy = reasons(home, *home.elsewhere(300, seed=4, noise=70), "noisy")
    losses = {row["metric"]: row for row in noisy["the loss"]["rows"]}
    assert losses["roc_auc"]["high"] < 0
    assert "probabilities are too extreme" in noisy["calibration"]["sentence"]
    table = {row["metric"]: row for row in noisy["the threshold"]["rows"]}
    assert table.get("share of the loss", {"value": 0})["value"] < 0.4


@pytest.mark.slow
def test_who_is_taken_ap_is_told_from_what_the_film_shows(home: Place):
    images, rows = home.elsewhere(300, seed=6, noise=40)
    sick = (rows["label"] == "pneumonia").to_numpy()
    rng = np.random.default_rng(0)
    lying = rng.uniform(size=300) < np.where(sick, 0.8, 0.2)
    images = images.astype(int)
    images[lying, 8:24, 8:24] += 40  # the films of those who lie are brighter, whatever they have
    rows = rows.assign(view=np.where(lying, "AP", "PA"), age="")
    found = reasons(home, images.clip(0, 255).astype(np.uint8), rows, "lying")
    sentence = found["view and age"]["sentence"]
    assert f"AP on {lying.mean():.0%} of the films whose view is known, 0% at home" in sentence  # all were PA
    within = sentence.partition("among films of the same view the AUC is")[2]
    assert within and "no difference" not in within.partition(";")[0]
    groups = {row["group"]: row for row in found["view and age"]["rows"]}
    assert groups["pairs of the same view"]["roc_auc"] < 0.9
    assert groups["view AP"]["films"] == lying.sum()
