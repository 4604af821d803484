"""A run against a reporting guideline: what it knows by number of item, and a gap where it knows nothing."""

import json
import re
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from pneumonia.params.load import load_params
from pneumonia.registry.address import existing_store
from pneumonia.registry.found_runs import find_run
from pneumonia.registry.repeat_runs import children_of
from pneumonia.registry.reporting_items import ITEMS, TITLES, Standard

GAP = "[to be filled in]"
HEADLINES = ("roc_auc", "sensitivity", "specificity", "accuracy")


def checklist(named: str, standard: Standard) -> str:
    """The checklist of a run or repeat, in Markdown.

    Raises:
        UserError: no such run.
    """
    experiment = load_params().tracking.experiment
    mlflow.set_tracking_uri(existing_store())
    client = MlflowClient()
    run = find_run(client, experiment, named)
    return render(run.info.run_name, standard, facts_of(client, run))


def render(name: str, standard: Standard, facts: dict[str, str]) -> str:
    """The items of a `standard`, each with those of its `facts` that are known."""
    lines = [
        f"# {TITLES[standard]}: {name}",
        "",
        "Items by number, in other words than the guideline’s, which is what counts. What stands here is what the run "
        f"holds, and an item may ask for more; {GAP} is where the run knows nothing.",
        "",
    ]
    for number, asks, wanted in ITEMS[standard]:
        known = [facts[each] for each in wanted if facts.get(each)]
        lines += [f"**{number}** {asks}", *(f"- {line}" for fact in known or [GAP] for line in fact.splitlines()), ""]
    return "\n".join(lines)


def facts_of(client: MlflowClient, run: Run) -> dict[str, str]:
    """What a run or repeat holds, in words, by name; no name where it holds nothing of the kind."""
    children = children_of(client, run)
    one = children[0]
    with TemporaryDirectory() as directory:
        reports = _Reports(one.info.run_id, Path(directory))
        facts = _of_training(one) | _of_films(one, reports) | _of_results(run, one, reports)
    facts["elsewhere"] = _elsewhere(client, one)
    if len(children) > 1:
        given = run.data.params
        facts["trainings"] = (
            f"{len(children)} trainings: {given['folds']} folds, {given['seeds']} seeds (0: none); parts, groups, "
            f"stress and operating point are told of the first of them, {one.info.run_name}"
        )
        spread = [
            f"{name}: standard deviation {run.data.metrics[f'test/{name}_sd']:.3f} over {len(children)} trainings"
            for name in HEADLINES
            if f"test/{name}_sd" in run.data.metrics
        ]
        facts["spread"] = "\n".join(spread)
    return {name: fact for name, fact in facts.items() if fact}


class _Reports:
    """The artifacts below `reports` of a run, fetched into a folder as they are asked for."""

    def __init__(self, run_id: str, folder: Path) -> None:
        self.run_id, self.folder = run_id, folder

    def text(self, name: str) -> str:
        """The text of a report; empty where the run has no such report."""
        try:
            return Path(
                mlflow.artifacts.download_artifacts(None, self.run_id, f"reports/{name}", str(self.folder))
            ).read_text(encoding="utf-8")
        except (MlflowException, OSError):
            return ""

    def table(self, name: str) -> pd.DataFrame:
        """A CSV; without rows where the run has no such report."""
        text = self.text(name)
        return pd.read_csv(StringIO(text), dtype={"patient": str}, keep_default_na=False) if text else pd.DataFrame()


def _of_training(run: Run) -> dict[str, str]:
    params, tags, metrics = run.data.params, run.data.tags, run.data.metrics
    settings = [f"{key.removeprefix('train.')} {value}" for key, value in sorted(params.items()) if "train." in key]
    weights = _filled("{} (asked for: {})", tags.get("weights"), params.get("model.weights"))
    parameters = f", {metrics['parameters']:,.0f} parameters" if "parameters" in metrics else ""
    size = params.get("clean.image_size")
    machine = [tags.get(name) for name in ("backend", "device", "precision")]
    chosen = (
        "the best epoch by {} on validation films is kept; temperature and threshold are chosen on validation films"
    )
    findings = "{} findings of shortcuts, or of a score that chance gives too; report.html names them"
    return {
        "model": _filled("network {}, task {}", params.get("model"), params.get("task")) + parameters,
        "input": f"one frontal film as a grey image of {size} × {size} pixels; nothing else" if size else "",
        "weights": f"first weights: {weights}" if weights else "",
        "training": "\n".join(filter(None, [_filled("seed {}", params.get("seed")), "; ".join(settings)])),
        "rebalancing": _filled("rebalance.method: {}", params.get("rebalance.method")),
        "selection": _filled(chosen, params.get("train.monitor")),
        "software": "\n".join(
            filter(
                None,
                [
                    _filled("Keras on {}, trained on {}, in {}", *machine),
                    _filled("versions: requirements.lock at git commit {}", tags.get("git.commit")),
                ],
            )
        ),
        "code": _filled("git commit {}", tags.get("git.commit"))
        + (", with edits that are not committed" if tags.get("git.dirty") == "true" else ""),
        "address": f"MLflow run {run.info.run_id}, whose registered version holds network, temperature and threshold",
        "shortcuts": _filled(findings, tags.get("shortcuts")),
    }


def _of_films(run: Run, reports: _Reports) -> dict[str, str]:
    params = run.data.params
    origin = [f"{key.removeprefix('data.')} {value}" for key, value in params.items() if key.startswith("data.")]
    clean = json.loads(reports.text("clean.json") or "{}")
    kept, rejected = clean.get("kept"), clean.get("rejected")
    table = reports.table("predictions.csv")
    read = "each film is decoded to 8 bits, black and white as its file says, and resized to {0} × {0} pixels"
    facts = {
        "source": _filled("data set {}", params.get("dataset")) + (f": {'; '.join(origin)}" if origin else ""),
        "preprocessing": _filled(read, params.get("clean.image_size")),
        "parts": "\n".join(_parts(reports.table("evaluation/parts.csv"))),
        "population": json.dumps(clean["population"]) if clean.get("population") else "",
    }
    if kept and rejected:
        came, reasons = kept["films"] + rejected["films"], rejected["by_reason"]
        facts["flow"] = f"{came} films came, {kept['films']} of {kept['patients']} patients were kept"
        named = ", ".join(f"{number} {reason}" for reason, number in reasons.items())
        facts["rejected"] = f"{rejected['films']} films were rejected" + (f": {named}" if named else "")
    if len(table):
        facts["disjoint"] = _by_patient(table)
        facts["classes"] = f"classes: {', '.join(sorted(set(table['class'])))}, as the source labels them"
    return facts


def _of_results(run: Run, one: Run, reports: _Reports) -> dict[str, str]:
    metrics = run.data.metrics
    facts = {f"results_{part}": "\n".join(_results(metrics, part)) for part in ("val", "test")}
    if facts["results_test"]:
        facts["metrics"] = "AUC, sensitivity, specificity, accuracy at an operating point chosen on validation films"
        facts["intervals"] = "95 % intervals by bootstrap over patients" + (
            " and, over trainings, by Student’s distribution" if run is not one and "test/roc_auc_sd" in metrics else ""
        )
    if "test/stress/roc_auc" in one.data.metrics:
        stress = one.data.metrics["test/stress/roc_auc"]
        facts["stress"] = f"mean AUC {stress:.3f} on test films altered in eight ways that leave the diagnosis as it is"
    gaps, groups = reports.table("evaluation/group_gaps_test.csv"), reports.table("evaluation/groups_test.csv")
    if len(gaps):
        looked_at, differ = ~gaps["means"].str.startswith("too small"), gaps["means"].str.contains("than the rest")
        facts["fairness"] = (
            f"{looked_at.sum()} gaps of groups to their rest were looked at, {differ.sum()} are beyond chance"
        )
    if len(pointed := reports.table("evaluation/heat_maps.csv")):
        heat_map, best = pointed.iloc[0], pointed.iloc[1:].sort_values("hit").iloc[-1]
        facts["explained"] = (
            f"Grad-CAM: its hottest place lies in a box in {heat_map['hit']:.0%} of {heat_map['films']} test films "
            f"with boxes; {best['pointed_by']} in {best['hit']:.0%}"
        )
    if len(groups):
        worst = groups.sort_values("right").iloc[0]
        share = f"{worst['right']:.1%} of {worst['films']} films right"
        facts["failures"] = f"the worst group: {worst['by']} {worst['group']}, {share}"
    if decision := json.loads(reports.text("evaluation/decision.json") or "{}"):
        facts["threshold"] = (
            f"a calibrated probability; it predicts pneumonia from {decision['threshold']:.3f} on (chosen on "
            f"validation films: {decision['rule']})"
        )
    return facts


def _elsewhere(client: MlflowClient, run: Run) -> str:
    """A line for each validation elsewhere of a version that the run registered, by the version's tags."""
    lines = []
    for version in client.search_model_versions(f"run_id = '{run.info.run_id}'"):
        for key, area in sorted(version.tags.items()):
            if (external := re.fullmatch(r"external\.(.+)\.roc_auc", key)) is not None:
                name = external[1]
                films, labels = (version.tags.get(f"external.{name}.{each}") for each in ("films", "labels_by"))
                lines.append(f"{name}: {films} films, labels by {labels}; AUC {area}")
    return "\n".join(lines)


def _results(metrics: dict[str, float], part: str) -> list[str]:
    lines = []
    for name in HEADLINES:
        value, low, high = (metrics.get(f"{part}/{name}{end}") for end in ("", "_low", "_high"))
        if value is not None:
            interval = f" ({low:.3f} to {high:.3f})" if low is not None and high is not None else ""
            lines.append(f"{part} {name} {value:.3f}{interval}")
    return lines


def _parts(table: pd.DataFrame) -> list[str]:
    """A line for each part: how many films of each class it has."""
    if table.empty:
        return []
    classes = table.columns.drop(["part", "films", "patients"])
    return [
        f"{part}: " + ", ".join(f"{number} {name}" for name, number in zip(classes, numbers, strict=True))
        for part, *numbers in table[["part", *classes]].itertuples(index=False)
    ]


def _by_patient(table: pd.DataFrame) -> str:
    if table["patient"].nunique() == len(table):
        return "by film: in validation and test each film has a patient of its own, or the source names none"
    shared = set.intersection(*(set(films["patient"]) for _, films in table.groupby("part")))
    in_both = f"{len(shared)} in both" if shared else "none in both"
    return f"by patient: {table['patient'].nunique()} patients in validation and test, {in_both}"


def _filled(form: str, *values: str | None) -> str:
    """`form` with its `values`, or an empty string where one is not known."""
    return form.format(*values) if all(values) else ""
