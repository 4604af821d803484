import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pneumonia.evaluation.parts import Part
from pneumonia.evaluation.sites import metrics_by_site, named_metrics
from pneumonia.params.stages import Compute
from pneumonia.sources.phantom.source import fetch
from pneumonia.sources.shared.raw import read_index

from ..sources.settings import settings


def part(**sites: tuple[list[int], list[float]]) -> Part:
    truth = np.array([value for classes, _ in sites.values() for value in classes])
    probability = np.array([value for _, values in sites.values() for value in values])
    films = pd.DataFrame(
        {
            "site": [site for site, (classes, _) in sites.items() for _ in classes],
            "patient": [f"p{number // 2}" for number in range(len(truth))],
        }
    )
    probabilities = np.stack([1 - probability, probability], axis=1)
    return Part(films, 1, truth, probabilities, probabilities, {"as it is": probability})


EAST = ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
WEST = ([0, 0, 0, 1, 1, 1], [0.6, 0.3, 0.4, 0.2, 0.5, 0.9])
WELL = ([0, 0], [0.2, 0.7])


def test_each_site_has_its_own_metrics_the_worst_first():
    table = metrics_by_site(part(east=EAST, west=WEST), 0.5, 200)
    assert table is not None
    assert table["site"].tolist() == ["west", "east"]
    assert table[["films", "patients", "sick"]].to_numpy().tolist() == [[6, 3, 3], [4, 2, 2]]
    assert table["roc_auc"].tolist() == [pytest.approx(roc_auc_score(*WEST)), 1.0]
    assert table["sensitivity"].tolist() == [pytest.approx(2 / 3), 1.0]
    assert table["specificity"].tolist() == [pytest.approx(2 / 3), 1.0]
    assert (table["roc_auc_low"] <= table["roc_auc"]).all()


def test_the_worst_site_stands_beside_the_mean():
    found = named_metrics(metrics_by_site(part(east=EAST, west=WEST), 0.5, 200))
    west = roc_auc_score(*WEST)
    assert found["site/east/roc_auc"] == 1
    assert found["sites/worst/roc_auc"] == pytest.approx(west)
    assert found["sites/mean/roc_auc"] == pytest.approx((1 + west) / 2)


def test_a_site_without_ill_films_has_no_auc_and_no_sensitivity():
    found = named_metrics(metrics_by_site(part(east=EAST, well=WELL), 0.5, 200))
    assert found["site/well/specificity"] == 0.5
    assert "site/well/roc_auc" not in found
    assert found["sites/worst/roc_auc"] == 1


def test_films_of_no_known_site_have_no_such_metrics():
    films = part(east=EAST)
    nowhere = Part(films.films.drop(columns="site"), 1, films.truth, films.uncalibrated, films.probabilities, {})
    assert named_metrics(metrics_by_site(nowhere, 0.5, 200)) == {}


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory) -> pd.DataFrame:
    """Generated films of two hospitals, in one of which a letter goes with the label, with their `pixels`."""
    raw = tmp_path_factory.mktemp("hospitals")
    phantom = settings("phantom", patients=200, image_size=64, format="png", seed=0, hospitals=["home", "lettered"])
    fetch(phantom, raw, Compute(scheduler="local", workers=1))
    films = read_index(raw)
    return films.assign(
        sick=(films["label"] != "normal").astype(int),
        half=films["patient"].str[-4:].astype(int) % 2,
        pixels=[np.asarray(Image.open(raw / file)) / 255 for file in films["file"]],
    )


@pytest.mark.parametrize("learnt_from", ["lettered", "home"])
def test_a_model_that_learnt_the_letter_is_caught_in_the_other_hospital(hospitals, learnt_from):
    """It sees the upper corners alone, where the letters are: there is no opacity to learn."""
    corners = np.stack([np.hstack([film[:14, :14], film[:14, -14:]]).ravel() for film in hospitals["pixels"]])
    train, test = (hospitals["half"] == 0) & (hospitals["site"] == learnt_from), hospitals["half"] == 1
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01)).fit(
        corners[train], hospitals.loc[train, "sick"]
    )
    probabilities = model.predict_proba(corners[test])
    films = hospitals[test].reset_index(drop=True)
    seen = Part(films, 1, films["sick"].to_numpy(), probabilities, probabilities, {"as it is": probabilities[:, 1]})
    table = metrics_by_site(seen, 0.5, 300)
    assert table is not None
    by_site = table.set_index("site")
    assert by_site.loc["home", "roc_auc_low"] < 0.5 < by_site.loc["home", "roc_auc_high"]
    if learnt_from == "lettered":
        assert by_site.loc["lettered", "roc_auc_low"] > 0.9
        assert table["site"][0] == "home"
        assert named_metrics(table)["sites/worst/roc_auc"] < 0.6
