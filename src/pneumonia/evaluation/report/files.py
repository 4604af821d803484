"""What `reports/evaluation/` holds: tables as CSV, and everything as pictures."""

import logging
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix, log_loss, roc_auc_score

from pneumonia.annotations.labels import WITHOUT_PNEUMONIA
from pneumonia.evaluation.abstention import plot_coverage
from pneumonia.evaluation.calibration import (
    brier_score,
    expected_calibration_error,
    plot_reliability,
    reliability_table,
)
from pneumonia.evaluation.clinical_use import decision_curve, plot_decision_curve, predictive_values, prior_of
from pneumonia.evaluation.encoding import encoding_report
from pneumonia.evaluation.group_gaps import group_gaps
from pneumonia.evaluation.metrics import SICK, one_against_rest, pr_curve, roc_curve
from pneumonia.evaluation.parts import Part
from pneumonia.evaluation.receptive_field import effective_receptive_field, layer_table, plot_receptive_field
from pneumonia.evaluation.report.plots import plot_confusion, plot_curves
from pneumonia.evaluation.shortcuts import findings, nothing_learned, plot_alterations, shortcut_report
from pneumonia.evaluation.subgroups import group_films, metrics_by_group
from pneumonia.inference.probabilities import predict_classes, probability_of_pneumonia

log = logging.getLogger(__name__)

FILMS_FOR_RECEPTIVE_FIELD = 8


def write_calibration(parts: dict[str, Part], directory: Path) -> pd.DataFrame:
    """Write the reliability of the test films' probabilities; return the metrics of both parts before and after."""
    rows = []
    for name, part in parts.items():
        for when, probabilities in (("before", part.uncalibrated), ("after", part.probabilities)):
            probability = probability_of_pneumonia(probabilities, part.healthy)
            rows.append(
                {
                    "part": name,
                    "temperature scaling": when,
                    "calibration error": expected_calibration_error(part.sick, probability),
                    "Brier score": brier_score(part.sick, probability),
                    "log loss": float(log_loss(part.sick, probability, labels=[0, 1])),
                }
            )
    test = parts["test"]
    shown = {"before": probability_of_pneumonia(test.uncalibrated, test.healthy), "after": test.probability}
    tables = {when: reliability_table(test.sick, probability) for when, probability in shown.items()}
    save_picture(plot_reliability(tables), directory / "reliability.png")
    table = pd.DataFrame(rows)
    table.to_csv(directory / "calibration.csv", index=False)
    return table


def write_clinical_use(
    parts: dict[str, Part], threshold: float, prevalences: list[float], draws: int, directory: Path
) -> None:
    """Write what the test films say of places where pneumonia is as frequent as `prevalences`."""
    test = parts["test"].scored
    values = predictive_values(test, test.probability >= threshold, prevalences, draws)
    values.to_csv(directory / "predictive_values.csv", index=False)
    curve = decision_curve(test, prior_of(parts["val"].scored), prevalences, draws)
    curve.to_csv(directory / "decision_curve.csv", index=False)
    save_picture(plot_decision_curve(curve), directory / "decision_curve.png")


def write_curves(parts: dict[str, Part], names: list[str], threshold: float, directory: Path) -> None:
    """Write ROC and precision-recall curves of each class, and the confusion matrices."""
    curves: dict[str, dict[str, tuple[pd.DataFrame, pd.DataFrame]]] = {}
    for name, part in parts.items():
        for label, (is_class, probability) in one_against_rest(part.truth, part.probabilities, names).items():
            roc, pr = roc_curve(is_class, probability), pr_curve(is_class, probability)
            curves.setdefault(label, {})[name] = (roc, pr)
            suffix = name if label == SICK else f"{name}_{label}"
            roc.to_csv(directory / f"roc_{suffix}.csv", index=False)
            pr.to_csv(directory / f"pr_{suffix}.csv", index=False)
        predicted = predict_classes(part.probabilities, threshold, part.healthy)
        confusion = pd.DataFrame({"actual": np.array(names)[part.truth], "predicted": np.array(names)[predicted]})
        confusion.to_csv(directory / f"confusion_{name}.csv", index=False)
        counts = confusion_matrix(part.truth, predicted, labels=range(len(names)))
        save_picture(plot_confusion(counts, names, name), directory / f"confusion_{name}.png")
    for label, of_parts in curves.items():
        name = "curves.png" if label == SICK else f"curves_{label}.png"
        save_picture(plot_curves(of_parts, label), directory / name)


def write_parts(split: pd.DataFrame, directory: Path) -> None:
    """Write how many films of each class each part of `split` has, and of how many patients, a row a part."""
    counts = pd.crosstab(split["part"], split["class"]).assign(
        films=split["part"].value_counts(), patients=split.groupby("part")["patient"].nunique()
    )
    counts.to_csv(directory / "parts.csv")


def write_encoding(parts: dict[str, Part], data: Path, directory: Path) -> None:
    """Write how well the encoding tells pneumonia, and beside it the model."""
    index, split = read_films(data / "clean" / "index.csv"), read_films(data / "split.csv")
    table = encoding_report(index.merge(split[["file", "class", "part"]], on="file"))
    of_model = {name: float(roc_auc_score(part.sick, part.probability)) for name, part in parts.items()}
    table.loc[len(table)] = {"property": "the model, for comparison", "train": np.nan, **of_model}
    table.to_csv(directory / "encoding.csv", index=False)


def write_alterations(parts: dict[str, Part], images: np.ndarray, draws: int, directory: Path) -> list[str]:
    """Write what is left of the score on altered films; return the findings on test films, in words."""
    reports = {
        name: shortcut_report(part.altered, part.sick, part.scored.patients, draws) for name, part in parts.items()
    }
    for name, report in reports.items():
        report.to_csv(directory / f"alterations_{name}.csv", index=False)
    sick = parts["test"].films["image"].to_numpy()[np.argmax(parts["test"].sick)]
    save_picture(plot_alterations(images[sick], reports["test"]), directory / "alterations.png")
    return nothing_learned(reports) or findings(reports["test"])


def write_abstention(table: pd.DataFrame, directory: Path) -> None:
    """Write a `coverage_table`, and its curves."""
    table.to_csv(directory / "abstention.csv", index=False)
    save_picture(plot_coverage(table), directory / "abstention.png")


def write_groups(test: pd.DataFrame, facts: pd.DataFrame, draws: int, directory: Path) -> None:
    """Write how the test films fare in each group, and how each group and pair of groups differs from the rest.

    `facts` has what `group_films` takes for each of them.
    """
    facts = facts.set_index("file").loc[test["file"]].reset_index().assign(label=test["label"].to_numpy())
    groups = group_films(facts)
    sick, predicted = (~test[column].isin(WITHOUT_PNEUMONIA).to_numpy() for column in ("class", "predicted"))
    right = (test["class"] == test["predicted"]).to_numpy()
    metrics_by_group(groups, sick, predicted, right).to_csv(directory / "groups_test.csv", index=False)
    probability, patients = test["probability"].to_numpy(float), test["patient"].to_numpy(str)
    gaps = group_gaps(groups, sick.astype(int), probability, predicted.astype(int), patients, draws)
    gaps.to_csv(directory / "group_gaps_test.csv", index=False)


def write_sites(sites: dict[str, pd.DataFrame | None], directory: Path) -> None:
    """Write the metrics of each part by site, where sites are known."""
    for part, table in sites.items():
        if table is not None:
            table.to_csv(directory / f"sites_{part}.csv", index=False)


def write_receptive_field(model: keras.Model, images: np.ndarray, rows: np.ndarray, directory: Path) -> None:
    """Write what each layer sees, and what the middle unit sees of films among `rows` of the packed `images`."""
    films = images[rows[:: max(1, len(rows) // FILMS_FOR_RECEPTIVE_FIELD)][:FILMS_FOR_RECEPTIVE_FIELD]][..., None]
    table = layer_table(model)
    table.to_csv(directory / "receptive_field.csv", index=False)
    try:
        effective = effective_receptive_field(model, films)
    except ValueError as error:  # all units are dead: bad news, which the metrics are to tell
        log.warning("no effective receptive field: %s", error)
        return
    save_picture(plot_receptive_field(table, effective, films[0, ..., 0]), directory / "receptive_field.png")


def read_films(table: Path) -> pd.DataFrame:
    """`index.csv` or `split.csv`: a patient's name may look like a number, and a missing one must not become NaN."""
    return pd.read_csv(table, dtype={"patient": str, "file": str}, keep_default_na=False)


def save_picture(figure: Figure, path: Path) -> None:
    """Write a PNG."""
    figure.savefig(path, dpi=100)
