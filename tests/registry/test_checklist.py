"""What a run says of itself in a reporting guideline's order, on a real store."""

import json
import shutil

import pandas as pd
from mlflow import MlflowClient
from typer.testing import CliRunner

from pneumonia.commands.cli import app
from pneumonia.evaluation.report.files import write_parts
from pneumonia.registry.checklist import GAP, render
from pneumonia.registry.reporting_items import ITEMS

from ..small_classifier import decision
from .test_runs import repository as repository  # a fixture
from .test_runs import run_all


def test_every_item_is_there_in_order_and_unknown_ones_are_gaps():
    for standard, last, number in (("claim", "42", 42), ("tripod-ai", "27c", 52)):
        said = render("a run", standard, {})
        assert said.count(GAP) == number + 1  # once in the words at the top
        assert f"**{last}** " in said
        assert len({item[0] for item in ITEMS[standard]}) == number


def test_what_the_run_knows_stands_there_and_what_it_does_not_is_left_to_be_filled_in(repository, make_params):
    reports = repository / "reports"
    (reports / "evaluation").mkdir()
    decision("binary", threshold=0.41234).save(reports / "evaluation" / "decision.json")
    split = pd.read_csv("data/split.csv")
    write_parts(split.assign(part=split["part"].replace("test", "excluded")), reports / "evaluation")
    rejected = {"films": 2, "by_reason": {"duplicate": 2}}
    (reports / "clean.json").write_text(json.dumps({"kept": {"films": 4, "patients": 3}, "rejected": rejected}))
    pointed = pd.DataFrame({"pointed_by": ["the heat map", "a guess"], "films": 8, "hit": [0.5, 0.75]})
    pointed.to_csv(reports / "evaluation" / "heat_maps.csv", index=False)
    films = pd.DataFrame({"file": ["c", "d"], "patient": ["p1", "p1"], "class": ["normal", "pneumonia"]})
    films.assign(part=["val", "test"]).to_csv(reports / "predictions.csv", index=False)
    run_id = run_all(make_params())
    MlflowClient().create_registered_model("pneumonia-binary")
    version = MlflowClient().create_model_version("pneumonia-binary", f"runs:/{run_id}/reports", run_id)
    told = {"roc_auc": "0.7000 (0.6000 to 0.8000)", "films": "50", "labels_by": "two readers"}
    for key, text in told.items():
        MlflowClient().set_model_version_tag(version.name, version.version, f"external.north.{key}", text)
    shutil.copy(repository.parent / "params.yaml", repository)
    said = CliRunner().invoke(app, ["checklist", run_id])
    assert said.exit_code == 0, said.output
    items = dict(part.split("** ", 1) for part in said.stdout.split("\n**")[1:])
    assert "- excluded: 0 normal, 1 pneumonia\n- train: 1 normal, 1 pneumonia\n- val: 1 normal, 0 pneu" in items["33"]
    assert "6 films came, 4 of 3 patients were kept" in items["33"]
    assert "2 films were rejected: 2 duplicate" in items["13"]
    assert "test roc_auc 0.900 (0.850 to 0.950)" in items["36"]
    assert "1 patients in validation and test, 1 in both" in items["21"]  # and not what one would like to read
    assert "first weights: random" in items["24"]
    assert "in a box in 50% of 8 test films with boxes; a guess in 75%" in items["31"]
    assert "north: 50 films, labels by two readers; AUC 0.7000 (0.6000 to 0.8000)" in items["32"]
    for number in ("3", "8", "15", "40", "42"):
        assert items[number].rstrip().endswith(GAP)
    other = CliRunner().invoke(app, ["checklist", run_id, "--standard", "tripod-ai"]).stdout
    assert "predicts pneumonia from 0.412 on (chosen on validation films: by hand)" in other
    assert "by bootstrap over patients" in other
