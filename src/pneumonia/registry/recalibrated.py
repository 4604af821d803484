"""A version whose network another one has, with decisions for more sites."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient

from pneumonia.evaluation.home import HOME, Home
from pneumonia.inference.decision import Decision
from pneumonia.inference.predictor import DECISION
from pneumonia.registry.pyfunc_model import log_radiograph_model
from pneumonia.registry.runs import go_on


def register_recalibrated(
    files: Path, decision: Decision, site: str, home: Home | None, version: tuple[str, str], run_id: str
) -> str:
    """Register the classifier in `files`, its network byte for byte, with another `decision`, in which that of `site`
    is new; what was done, in words.

    `home` is what it then carries of the films that it has seen, with those that chose the decision, if it knew any.
    `version`, a name and a number, is the one that it is from: it leaves it its tags and its card. `run_id` is that of
    the validation that chose the decision. No alias moves: without a site both versions answer alike.
    """
    client, (name, number) = MlflowClient(), version
    old = client.get_model_version(name, number)
    with TemporaryDirectory() as directory, go_on(run_id):
        copy = Path(directory, "model")
        shutil.copytree(files, copy)
        (copy / DECISION).unlink()
        decision.save(copy / DECISION)
        if home:
            (copy / HOME).unlink()
            home.save(copy / HOME)
        logged = log_radiograph_model(copy, "model", registered_model_name=name)
    new, sites = str(logged.registered_model_version), decision.sites or {}
    client.update_model_version(name, new, description=old.description)
    told = f"version {number} with decisions for {', '.join(sites)}; `pneumonia promote` moves the alias by hand"
    tags = {key: value for key, value in old.tags.items() if key != "decision"}
    tags |= {
        f"site.{site}": f"threshold {each.threshold:.4f}, temperature {each.temperature:.4f}"
        for site, each in sites.items()
    }
    for key, value in {**tags, "recalibrated_from": number, "decision": told}.items():
        client.set_model_version_tag(name, new, key, value)
    asked = f"`pneumonia predict FILMS --model models:/{name}/{new} --site {site}` asks it"
    return f"{name} version {new} is {told}; {asked}"
