"""What is said to be the reason is what was made to be it."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pneumonia.commands.cli import app
from pneumonia.evaluation.home import Measured
from pneumonia.validation.answers import Answers
from pneumonia.validation.explanation import threshold_alone

from .conftest import MIDDLE, Place


def reasons(home: Place, images: np.ndarray, rows, name: str) -> dict:
    table = home.write(images, rows, name)
    result = CliRunner().invoke(app, ["validate", str(table), "--model", "models:/pneumonia-binary/1"])
    assert result.exit_code == 0, result.output
    return json.loads(Path("validation", name, "reasons.json").read_text())


def test_a_threshold_gives_back_a_share_of_the_loss_only_where_its_gain_is_beyond_chance_and_never_more_than_all():
    rng = np.random.default_rng(0)
    sick, patients = np.repeat([0.0, 1.0], 60), np.array([f"p{number}" for number in range(120)])

    def shares(probability: np.ndarray, sensitivity: float) -> list[float]:
        answers = Answers(sick, probability, (probability >= 0.5).astype(float), patients)
        at_home = Measured(value=sensitivity, low=sensitivity, high=sensitivity)
        table = threshold_alone(answers, {"sensitivity": at_home, "specificity": at_home}).table
        return table.loc[table.iloc[:, 0] == "share of the loss", "value"].tolist()

    noise = rng.uniform(size=120)
    assert shares(noise, 0.95) == []  # all is lost, and no threshold gives it back
    shifted = 0.55 + 0.4 * (0.5 * sick + 0.5 * noise)  # all are called sick
    assert shares(shifted, 0.75) == [1.0]
    assert 0.7 < shares(shifted, 0.999)[0] <= 1


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
