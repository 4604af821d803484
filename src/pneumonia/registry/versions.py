"""The MLflow model registry: a version for each evaluated run, the champion among them, and its challenger."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from pneumonia.errors import UserError
from pneumonia.evaluation.comparison import TABLES, Predictions, compare
from pneumonia.evaluation.outcome import Evaluation
from pneumonia.params.load import Params
from pneumonia.registry.address import existing_store
from pneumonia.registry.carried_home import add_home
from pneumonia.registry.finding import find_model, find_version
from pneumonia.registry.found_runs import read_predictions
from pneumonia.registry.ghosts import mark_undecided_versions
from pneumonia.registry.pyfunc_model import log_radiograph_model
from pneumonia.registry.store import store_lock

CHAMPION, CHALLENGER = "champion", "challenger"
CHAMPIONS = "champions"
"""The tag of a registered model that lists the versions that were champion, in their order."""
TAGGED = ("roc_auc", "sensitivity", "specificity", "accuracy", "boxes/map")
"""The metrics whose intervals are tags of the version, where it has them."""
DECISIVE = {"boxes/map": "mean average precision", "classes/roc_auc": "AUC", "roc_auc": "AUC"}
"""The metrics that may decide, with their names in words: the first one that both versions have decides."""
INSTALLED = "installed"
"""The tag of a version that came with the package (see `installing`): the fingerprint of its files."""


def register(params: Params, evaluation: Evaluation, card: str, data: Path, models: Path, reports: Path) -> str:
    """Log the classifier in `models` to the active run, register it as `pneumonia-<task>`, and give it its alias.

    It carries the network's twin in ONNX, checked on the validation films; where it can carry none, its tag `onnx` has
    the reason. It also carries what tells films that it has seen from others (see `evaluation.home`). Returns the
    decision and its reason, which is also a tag of the version; `card` is its description. It becomes champion only if
    it is better than chance on validation films. Then it does so where there is none, or where the champion knew
    generated films only and this one real ones. On the same validation films it becomes champion if the 95 % interval
    of the paired difference in AUC (for localisers, in mean average precision) is above 0. Else it becomes challenger.
    """
    # Here, since it imports Keras, which all else in this module does without.
    from pneumonia.registry.carried_twin import add_twin

    name = f"pneumonia-{params.task}"
    with TemporaryDirectory() as directory:
        twin = add_twin(models, data, Path(directory))
        add_home(evaluation, data, Path(directory))
        logged = log_radiograph_model(Path(directory), "model", registered_model_name=name)
    client, version = MlflowClient(), str(logged.registered_model_version)
    client.update_model_version(name, version, description=card)
    tags = {**_tags(params, evaluation, data), "git.commit": _commit(client), "onnx": twin}
    predictions = Predictions.read([reports / name for name in TABLES if (reports / name).is_file()])
    return give_alias(
        name, version, tags, lambda champion: _alias_and_reason(champion, tags, predictions, evaluation.intervals)
    )


def give_alias(
    name: str, version: str, tags: dict[str, str], decide: Callable[[ModelVersion | None], tuple[str, str]]
) -> str:
    """Tag a new version and give it the alias for which `decide` has a reason, given the champion; both, in words."""
    client = MlflowClient()
    # One at a time: if two runs finish at once, the second is compared with the first.
    with store_lock():
        champion = _champion(client, name)
        mark_undecided_versions(client, name, version, str(champion.version) if champion else None)
        alias, reason = decide(champion)
        for key, value in tags.items():
            client.set_model_version_tag(name, version, key, value)
        if alias == CHAMPION:
            _crown(client, name, version)
        else:
            client.set_registered_model_alias(name, CHALLENGER, version)
        # Last: killed before, the version does not say that it is what it is not.
        client.set_model_version_tag(name, version, "decision", f"{alias}: {reason}")
    return f"{name} version {version} is {alias}: {reason}"


def open_registry() -> None:
    """Have MLflow use the store of this repository.

    Raises:
        UserError: there is none.
    """
    mlflow.set_tracking_uri(existing_store())


def promote(name: str, version: str) -> str:
    """Make a version the champion by hand; return what changed, in words.

    Raises:
        UserError: no such model or version.
    """
    client = MlflowClient()
    with store_lock():
        find_model(client, mlflow.get_tracking_uri(), name)
        version = str(find_version(client, name, version).version)
        before = _champion(client, name)
        if before is not None and str(before.version) == version:
            return f"{name} version {version} is champion already"
        _crown(client, name, version)
    return f"{name} version {version} is champion, {f'version {before.version}' if before else 'none'} was"


def rollback(name: str) -> str:
    """Make the champion before this one champion again, and this one challenger; return what changed.

    Raises:
        UserError: no such model, or no champion before this one.
    """
    client = MlflowClient()
    with store_lock():
        find_model(client, mlflow.get_tracking_uri(), name)
        *earlier, last = [version for version in _champions(client, name) if _is_there(client, name, version)] or [""]
        if not earlier:
            raise UserError(f"{name} has no champion before this one; `pneumonia promote` makes a version champion")
        client.set_registered_model_tag(name, CHAMPIONS, " ".join(earlier))
        client.set_registered_model_alias(name, CHAMPION, earlier[-1])
        client.set_registered_model_alias(name, CHALLENGER, last)
    return f"{name} version {earlier[-1]} is champion again, version {last} was"


def _crown(client: MlflowClient, name: str, version: str) -> None:
    client.set_registered_model_alias(name, CHAMPION, version)
    client.set_registered_model_tag(name, CHAMPIONS, " ".join(_champions(client, name)))
    if CHALLENGER in client.get_model_version(name, version).aliases:
        client.delete_registered_model_alias(name, CHALLENGER)


def _champions(client: MlflowClient, name: str) -> list[str]:
    """The versions that were champion, in their order, without those that were rolled back; the last one still is.

    The tag may lack that one, where a process was killed before it wrote it.
    """
    model = client.get_registered_model(name)
    known, champion = model.tags.get(CHAMPIONS, "").split(), str(model.aliases.get(CHAMPION, ""))
    return known if known[-1:] == [champion] or not champion else [*known, champion]


def _is_there(client: MlflowClient, name: str, version: str) -> bool:
    try:
        find_version(client, name, version)
    except UserError:
        return False
    return True


def _tags(params: Params, evaluation: Evaluation, data: Path) -> dict[str, str]:
    """The tags of a version: what it is of, and its metrics with their intervals on val and test."""
    rows = evaluation.intervals.set_index(["part", "metric"])
    metrics = {
        f"{part}.{metric}": "{value:.4f} ({low:.4f} to {high:.4f})".format(**rows.loc[(part, metric)])
        for part in ("val", "test")
        for metric in TAGGED
        if (part, metric) in rows.index
    }
    return {
        "dataset": params.dataset,
        "model": params.model,
        "validation_films": _validation_films(data / "split.csv"),
        "threshold": f"{evaluation.decision.threshold:.4f}",
        "temperature": f"{evaluation.decision.temperature:.4f}",
        "shortcuts": str(len(evaluation.findings)),
        **metrics,
    }


def _commit(client: MlflowClient) -> str:
    run = mlflow.active_run()
    return client.get_run(run.info.run_id).data.tags.get("git.commit", "") if run else ""


def _validation_films(split: Path) -> str:
    """A fingerprint of the validation films and their classes, whatever the size at which they are packed."""
    films = pd.read_csv(split, dtype=str, keep_default_na=False)
    films = films.loc[films["part"] == "val", ["file", "patient", "class"]].sort_values("file")
    return hashlib.sha256(films.to_csv(index=False).encode()).hexdigest()


def _champion(client: MlflowClient, name: str) -> ModelVersion | None:
    version = client.get_registered_model(name).aliases.get(CHAMPION)
    return None if version is None else client.get_model_version(name, str(version))


def _alias_and_reason(
    champion: ModelVersion | None, tags: dict[str, str], predictions: Predictions, intervals: pd.DataFrame
) -> tuple[str, str]:
    """The alias of a newcomer with these `tags`, `predictions` and `intervals`, and why.

    One that may be no better than chance on validation films is never champion.
    """
    by_hand = "`pneumonia promote` moves the alias by hand"
    auc = intervals.set_index(["part", "metric"]).loc[("val", "roc_auc")]
    if not auc["low"] > 0.5:
        told = f"validation AUC {auc['value']:.4f} ({auc['low']:.4f} to {auc['high']:.4f})"
        return CHALLENGER, f"it may be no better than chance, {told}; {by_hand}"
    if champion is None:
        return CHAMPION, "there was none"
    theirs, name = champion.tags, f"version {champion.version}"
    if INSTALLED in theirs:
        return CHALLENGER, f"{name} came with the package and brings no predictions to compare; {by_hand}"
    if (theirs.get("dataset"), theirs.get("validation_films")) != (tags["dataset"], tags["validation_films"]):
        if theirs.get("dataset") == "phantom" and tags["dataset"] != "phantom":
            return CHAMPION, f"{name} knew generated films only, this one {tags['dataset']}"
        return CHALLENGER, f"{name} was validated on other films, of {theirs.get('dataset')}; {by_hand}"
    try:
        table = compare(read_predictions(str(champion.run_id)), predictions, "val")
    except UserError as error:
        return CHALLENGER, f"it cannot be compared with {name} ({error}); {by_hand}"
    metric = next(metric for metric in DECISIVE if metric in table.index)
    row = table.loc[metric]
    told = (
        f"validation {DECISIVE[metric]} {row['second']:.4f} against {row['first']:.4f} of {name}, difference "
        f"{row['difference']:+.4f} ({row['low']:+.4f} to {row['high']:+.4f})"
    )
    return (CHAMPION, told) if row["low"] > 0 else (CHALLENGER, f"{told}; {by_hand}")
