"""A temperature and a threshold from some films of a place, and the version that has both decisions."""

import hashlib
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from scipy.stats import hypergeom
from typer.testing import CliRunner

from pneumonia.commands.cli import app
from pneumonia.errors import UserError
from pneumonia.evaluation.home import Home
from pneumonia.evaluation.operating_point import Wanted
from pneumonia.inference.decision import Decision, OfSite
from pneumonia.validation.recalibration import Chooser, Labelled, fit_temperature, recalibrate

from ..small_classifier import decision
from .conftest import MIDDLE, Place

NAME = "pneumonia-binary"
CHOOSER = Chooser("youden", Wanted(0.95, 5))
FROZEN = decision()


def labelled(number: int, shift: float, seed: int = 0, steepness: float = 1) -> Labelled:
    """Films whose log-odds are true ones, `steepness` times as far out, and shifted."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 2, number)
    sick = (rng.uniform(size=number) < 1 / (1 + np.exp(-truth))).astype(int)
    said = 1 / (1 + np.exp(-(truth * steepness + shift)))
    return Labelled(sick, np.stack([1 - said, said], axis=1), 1, np.array([f"p{n // 2}" for n in range(number)]))


def test_the_temperature_is_by_how_much_too_sure_the_network_is():
    assert fit_temperature(labelled(4000, 0, steepness=3)) == pytest.approx(3, rel=0.1)
    assert fit_temperature(labelled(4000, 0)) == pytest.approx(1, rel=0.1)


def test_of_three_classes_pneumonia_of_any_kind_counts():
    two = labelled(400, 0, steepness=2)
    three = np.stack([two.raw[:, 0], two.raw[:, 1] / 4, 3 * two.raw[:, 1] / 4], axis=1)
    found = Labelled(two.sick, three, 1, two.patients)
    assert 1 < fit_temperature(found) < 3


@pytest.mark.slow
def test_films_of_a_place_that_is_shifted_give_back_what_was_lost_and_more_give_more():
    films = labelled(600, 3)
    found = recalibrate(films, 100, CHOOSER, FROZEN)
    row = found.figures.set_index("metric").loc["balanced_accuracy"]
    assert row["low"] > 0
    assert found.of_site.threshold == pytest.approx(1 / (1 + np.exp(-3 / found.of_site.temperature)), abs=0.12)
    curve = found.curve.set_index("films")
    assert curve.index.tolist() == [0, 10, 20, 50, 100]
    assert curve.loc[0, "balanced_accuracy"] < curve.loc[20, "balanced_accuracy"] < curve.loc[100, "balanced_accuracy"]
    spread = curve["balanced_accuracy_high"] - curve["balanced_accuracy_low"]
    assert spread[10] > spread[100]
    assert "no difference" not in found.sentence


def test_where_nothing_is_wrong_nothing_is_claimed():
    found = recalibrate(labelled(300, 0), 20, CHOOSER, FROZEN)
    assert "no difference that these films can show" in found.sentence or "-0." in found.sentence


class AsFrozen(Chooser):
    """It decides as at home, whatever films it has."""

    def decide(self, films: Labelled) -> OfSite:
        return OfSite(temperature=1, threshold=0.5, rule="by hand")


def test_each_size_is_measured_on_the_same_films():
    curve = recalibrate(labelled(300, 1), 100, AsFrozen("youden", Wanted(0.95, 5)), FROZEN).curve.set_index("films")
    assert curve.loc[[0, 50, 100], "draws"].tolist() == [50, 50, 50]
    for metric in ("balanced_accuracy", "sensitivity_low", "log loss"):
        assert curve.loc[50, metric] == curve.loc[100, metric] == curve.loc[0, metric]


def test_where_few_are_sick_it_is_told_how_often_so_many_films_can_choose():
    sick = np.repeat([1, 0], [20, 180])
    said = np.linspace(0.9, 0.1, 200)
    rare = Labelled(sick, np.stack([1 - said, said], axis=1), 1, np.array([f"p{n}" for n in range(200)]))
    found = recalibrate(rare, 10, AsFrozen("youden", Wanted(0.95, 5)), FROZEN)
    [usable] = found.curve.loc[found.curve["films"] == 10, "usable"]
    assert usable == pytest.approx(hypergeom.sf(1, 200, 20, 10), abs=0.1)  # two or more of them
    assert f"In {usable:.0%} of draws so many films hold 2 patients with and without pneumonia" in found.sentence


def test_too_few_films_are_told():
    with pytest.raises(UserError, match="recalibrate is 60; of 60 films it takes 2 patients"):
        recalibrate(labelled(60, 0), 60, CHOOSER, FROZEN)


@pytest.mark.slow
def test_the_new_version_has_both_decisions_and_the_same_network(home: Place):
    images, rows = home.elsewhere(200, seed=8)
    brighter = images.astype(int)
    brighter[:, *MIDDLE] += 40
    table = home.write(brighter.clip(0, 255).astype(np.uint8), rows)
    model = ["--model", f"models:/{NAME}/1"]
    said = CliRunner().invoke(app, ["validate", str(table), *model, "--recalibrate", "60", "--site", "north"])
    assert said.exit_code == 0, said.output
    assert f"{NAME} version 2 is version 1 with decisions for north" in said.output
    client = MlflowClient(home.store)
    tags = client.get_model_version(NAME, "2").tags
    assert tags["recalibrated_from"] == "1"
    assert tags["dataset"] == client.get_model_version(NAME, "1").tags["dataset"]
    assert str(client.get_model_version_by_alias(NAME, "champion").version) == "1"
    mlflow.set_tracking_uri(home.store)
    files = [Path(mlflow.artifacts.download_artifacts(f"models:/{NAME}/{number}")) / "artifacts" for number in (1, 2)]
    one, other = (hashlib.sha256((folder / "model.keras").read_bytes()).hexdigest() for folder in files)
    assert one == other
    before, after = (Home.load(folder / "home.json") for folder in files)
    assert (len(after.films) - len(before.films), len(after.patients) - len(before.patients)) == (60, 60)
    of_site = Decision.load(files[1] / "decision.json").sites["north"]
    assert "recalibrated" in pd.read_csv("validation/elsewhere/evaluation/recalibration.csv")
    assert "What labelling films would give" in Path("validation/elsewhere/report.html").read_text()
    of_north = ["validate", str(table), "--model", f"models:/{NAME}/2", "--name", "again", "--site", "north"]
    said = CliRunner().invoke(app, of_north)
    assert said.exit_code == 0, said.output
    assert "left out: 60 seen in training or validation" in said.output  # they chose the decision
    answers = pd.read_csv("validation/again/predictions.csv")
    threshold = Decision.load(files[1] / "decision.json").sites["north"].threshold
    assert ((answers["probability"] >= threshold) == (answers["predicted"] == "pneumonia")).all()
    said = CliRunner().invoke(app, [*of_north[:-1], "south"])
    assert "site is 'south'; this version has decisions for north" in said.output

    film = table.parent / "0.png"
    of_version = ["predict", str(film), "--model", f"models:/{NAME}/2", "--format", "csv"]
    answers = {
        name: CliRunner().invoke(app, [*of_version, *site, "--output", f"{name}.csv"])
        for name, site in {"at_home": [], "north": ["--site", "north"]}.items()
    }
    assert [answer.exit_code for answer in answers.values()] == [0, 0]
    at_home, north = (pd.read_csv(f"{name}.csv").iloc[0] for name in answers)
    assert at_home["threshold"] == Decision.load(files[0] / "decision.json").threshold
    assert north["threshold"] == of_site.threshold
    unknown = CliRunner().invoke(app, [*of_version, "--site", "south"])
    assert unknown.exit_code == 1
    assert "site is 'south'; this version has decisions for north" in unknown.output

    served = mlflow.pyfunc.load_model(f"models:/{NAME}/2")
    assert served.predict([film], params={"site": "north"}).iloc[0]["threshold"] == of_site.threshold
    assert served.predict([film]).iloc[0]["threshold"] == at_home["threshold"]
    with pytest.raises(MlflowException, match="this version has decisions for north"):
        served.predict([film], params={"site": "south"})
