"""evaluate: the trained network on the validation and test films, into models/, reports/ and the MLflow registry."""

import json
import logging
from pathlib import Path

import pandas as pd

from pneumonia.compilation import keep_compiled_programs
from pneumonia.errors import exit_on_user_error
from pneumonia.evaluation.evaluate import evaluate
from pneumonia.evaluation.report.card import render_card
from pneumonia.evaluation.report.page import render_report
from pneumonia.lifetime import end_with_dvc
from pneumonia.models.shared.weights import read_network
from pneumonia.outputs import replaced_together
from pneumonia.params.load import load_params
from pneumonia.registry.address import repository
from pneumonia.registry.outage import REPEAT, store_losses_told
from pneumonia.registry.runs import complete_run, continue_run, log_evaluation
from pneumonia.registry.store import open_store
from pneumonia.registry.versions import register

DATA, MODELS, REPORTS = Path("data"), Path("models"), Path("reports")
PRINTED = ("roc_auc", "accuracy", "sensitivity", "specificity", "boxes/map")


def main() -> None:
    """Evaluate, log everything to the run that train started, and register the model."""
    params = load_params()
    keep_compiled_programs()
    model = read_network(MODELS / "model.keras")
    history = pd.read_csv(REPORTS / "history.csv")
    training = json.loads((MODELS / "training.json").read_text())
    open_store(params.tracking.experiment)  # fails before the reports are replaced where the store cannot be reached
    films = pd.read_csv(DATA / "split.csv", dtype=str, keep_default_na=False)
    with replaced_together(MODELS, REPORTS) as (models, reports):
        evaluation = evaluate(model, params, DATA, history, training["weights"], models, reports)
        card = render_card(params, evaluation.decision, evaluation.intervals, evaluation.findings, films, training)
        (reports / "model_card.md").write_text(card)
        page = render_report(evaluation, params, training, REPORTS, reports / "evaluation")
        (reports / "report.html").write_text(page)
    with continue_run(MODELS / "model.keras", training, params, DATA, history) as run:
        temperature = evaluation.decision.temperature
        log_evaluation(evaluation.metrics, evaluation.intervals, evaluation.findings, temperature, REPORTS)
        # Last, with all of the run logged: the next model is compared with a champion's predictions.
        decision = register(params, evaluation, card, DATA, MODELS, REPORTS)
        complete_run()
    for part, rows in evaluation.intervals.set_index("metric").groupby("part", sort=False):
        shown = (
            f"{name} {rows.at[name, 'value']:.3f} ({rows.at[name, 'low']:.3f} to {rows.at[name, 'high']:.3f})"
            for name in PRINTED
            if name in rows.index
        )
        print(f"{part:5}", *shown, sep="  ")
    print(*evaluation.findings, sep="\n")
    print(decision)
    short = run.info.run_id[:8]
    place = "reports/report.html" if Path.cwd() == repository() else "reports/report.html among its artifacts in MLflow"
    print(f"run {run.info.run_name} ({short}): its report is {place}; `pneumonia compare {short} OTHER`")


if __name__ == "__main__":
    end_with_dvc()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with exit_on_user_error(), store_losses_told(REPEAT):
        main()
