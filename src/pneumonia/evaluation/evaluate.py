"""Evaluate the trained network on the validation and test films, and write what came out."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix, log_loss, roc_auc_score

from pneumonia.calibration import (
    brier_score,
    expected_calibration_error,
    fit_temperature,
    plot_reliability,
    reliability_table,
    scale,
)
from pneumonia.dataset import FilmBatches, open_images, read_part
from pneumonia.decision import Decision, call, probability_of_pneumonia
from pneumonia.evaluation.bootstrap import intervals, multiclass_intervals
from pneumonia.evaluation.encoding import encoding_report
from pneumonia.evaluation.gallery import plot_errors, surest_errors
from pneumonia.evaluation.metrics import SICK, figures, one_against_rest, pr_curve, roc_curve
from pneumonia.evaluation.operating_point import Scored, Wanted, choose, choose_cross_fitted, compare_choices
from pneumonia.evaluation.plots import plot_confusion, plot_curves, plot_history
from pneumonia.evaluation.shortcuts import findings, plot_alterations, shortcut_report
from pneumonia.evaluation.subgroups import figures_by_group, group_films
from pneumonia.familiarity import fit as fit_familiarity
from pneumonia.files import whole_directory, whole_file
from pneumonia.labels import WITHOUT_PNEUMONIA, class_names, count_healthy
from pneumonia.params import Params
from pneumonia.receptive_field import effective_receptive_field, layer_table, plot_receptive_field

log = logging.getLogger(__name__)

PARTS = ("val", "test")
FILMS_FOR_RECEPTIVE_FIELD = 8


@dataclass(frozen=True)
class Part:
    """The films of a part: their table, classes int64 (N,) of which the first `healthy` are without pneumonia, and the
    network's probabilities, float (N, C).
    """

    films: pd.DataFrame
    healthy: int
    truth: np.ndarray
    uncalibrated: np.ndarray
    probabilities: np.ndarray

    @property
    def sick(self) -> np.ndarray:
        """Which films show pneumonia of any kind, int64 (N,)."""
        return (self.truth >= self.healthy).astype(int)

    @property
    def probability(self) -> np.ndarray:
        """The calibrated probability of pneumonia, float (N,)."""
        return probability_of_pneumonia(self.probabilities, self.healthy)

    @property
    def scored(self) -> Scored:
        """The films as an operating point is chosen on them."""
        return Scored(self.sick, self.probability, self.films["patient"].to_numpy(str))


@dataclass(frozen=True)
class Evaluation:
    """What came out: `figures` by part, the operating point and its alternatives (`choices`), `intervals` of the
    figures, figures of the `calibration` before and after, and the shortcuts found, in words."""

    figures: dict[str, dict[str, float]]
    decision: Decision
    choices: pd.DataFrame
    intervals: pd.DataFrame
    calibration: pd.DataFrame
    findings: list[str]


def evaluate(
    model: keras.Model, params: Params, data: Path, history: pd.DataFrame, weights: str, models: Path, reports: Path
) -> Evaluation:
    """Predict the parts in `data/split.csv`, choose temperature and threshold on validation, and write the outcome.

    Writes in `models`: `decision.json` and `familiarity.npz`, which with the network make a classifier. In `reports`:
    `metrics.json`, `predictions.csv` (a row a film), and `evaluation/` with tables as CSV and everything as pictures.
    """
    images, names = open_images(data / "clean"), class_names(params.task, params.dataset)
    train_rows, _, _ = read_part(data / "split.csv", "train", names)
    familiarity = fit_familiarity(images[train_rows])
    parts, temperature = _predict(model, images, data / "split.csv", names)
    threshold, choices = _operating_point(parts["val"], parts["test"], params)
    decision = Decision(
        task=params.task,
        classes=names,
        image_size=images.shape[1],
        min_size=params.clean.min_size,
        temperature=temperature,
        threshold=threshold,
        rule=params.evaluate.threshold + (", cross-fitted" if params.evaluate.cross_fit else ""),
    )
    outcome = {part: figures(each.truth, each.probabilities, names, threshold) for part, each in parts.items()}
    predictions = pd.concat(_table(each, part, names, threshold) for part, each in parts.items())
    with whole_directory(reports / "evaluation") as directory:
        sure = pd.concat(_intervals(each, part, threshold, params.evaluate.draws) for part, each in parts.items())
        sure.to_csv(directory / "intervals.csv", index=False)
        choices.to_csv(directory / "choices.csv", index=False)
        calibration = _write_calibration(parts, directory)
        _write_curves(parts, names, threshold, directory)
        _write_encoding(parts, data, directory)
        shortcuts = _write_alterations(model, images, parts["test"], temperature, params.evaluate.draws, directory)
        _write_errors(model, images, predictions[predictions["part"] == "test"], parts["test"].healthy, data, directory)
        _save(plot_history(history, weights), directory / "history.png")
        _write_receptive_field(model, images, parts["val"].films["image"].to_numpy(), directory)
    decision.save(models / "decision.json")
    familiarity.save(models / "familiarity.npz")
    with whole_file(reports / "predictions.csv") as partial:
        predictions.drop(columns="image").to_csv(partial, index=False)
    with whole_file(reports / "metrics.json") as partial:
        partial.write_text(json.dumps(outcome, indent=2) + "\n")
    return Evaluation(outcome, decision, choices, sure, calibration, shortcuts)


def probabilities_of(model: keras.Model, images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The network's probabilities, float64 (N, C), of films `rows` of `images`: of two classes both."""
    predicted = np.asarray(model.predict(FilmBatches(images, rows), verbose=0), "float64")
    return np.hstack([1 - predicted, predicted]) if predicted.shape[1] == 1 else predicted


def _predict(model: keras.Model, images: np.ndarray, split: Path, names: list[str]) -> tuple[dict[str, Part], float]:
    """The parts, and the temperature that was fitted on the first of them."""
    read = {part: read_part(split, part, names) for part in PARTS}
    raw = {part: probabilities_of(model, images, rows) for part, (rows, _, _) in read.items()}
    temperature = fit_temperature(read["val"][1], raw["val"])
    parts = {
        part: Part(films, count_healthy(names), truth, raw[part], scale(raw[part], temperature))
        for part, (_, truth, films) in read.items()
    }
    return parts, temperature


def _operating_point(val: Part, test: Part, params: Params) -> tuple[float, pd.DataFrame]:
    """The threshold, from validation films alone, and the table of what each choice gives."""
    settings = params.evaluate
    wanted = Wanted(settings.sensitivity, settings.cost_of_miss)
    choosing = choose_cross_fitted if settings.cross_fit else choose
    return choosing(settings.threshold, val.scored, wanted).threshold, compare_choices(val.scored, test.scored, wanted)


def _table(part: Part, name: str, names: list[str], threshold: float) -> pd.DataFrame:
    """The films with the calibrated `probability` of pneumonia, of more than two classes that of each, and the class
    that is `predicted`.
    """
    films = part.films[["image", "file", "patient", "label", "class"]].assign(part=name, probability=part.probability)
    if len(names) > 2:
        films = films.assign(**{f"probability_{each}": part.probabilities[:, n] for n, each in enumerate(names)})
    return films.assign(predicted=np.array(names)[call(part.probabilities, threshold, part.healthy)])


def _intervals(part: Part, name: str, threshold: float, draws: int) -> pd.DataFrame:
    """The figures with their intervals by patient and by image."""
    called = call(part.probabilities, threshold, part.healthy)
    tables = []
    for groups in (part.films["patient"].to_numpy(str), part.films["file"].to_numpy(str)):
        table = intervals(part.sick, part.probability, called >= part.healthy, groups, draws)
        if part.probabilities.shape[1] > 2:
            over_classes = multiclass_intervals(part.truth, part.probabilities, called, groups, draws)
            table = pd.concat([table, over_classes.add_prefix("classes/", axis=0)])
        tables.append(table)
    by_image = tables[1][["low", "high"]].add_suffix("_by_image")
    return tables[0].join(by_image).rename_axis("figure").reset_index().assign(part=name)


def _write_calibration(parts: dict[str, Part], directory: Path) -> pd.DataFrame:
    """Write the reliability of the test films' probabilities; figures of both parts before and after."""
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
    _save(plot_reliability(tables), directory / "reliability.png")
    table = pd.DataFrame(rows)
    table.to_csv(directory / "calibration.csv", index=False)
    return table


def _write_curves(parts: dict[str, Part], names: list[str], threshold: float, directory: Path) -> None:
    """Write ROC and precision-recall curves of each class, and the confusion matrices."""
    curves: dict[str, dict[str, tuple[pd.DataFrame, pd.DataFrame]]] = {}
    for name, part in parts.items():
        for label, (is_class, probability) in one_against_rest(part.truth, part.probabilities, names).items():
            roc, pr = roc_curve(is_class, probability), pr_curve(is_class, probability)
            curves.setdefault(label, {})[name] = (roc, pr)
            suffix = name if label == SICK else f"{name}_{label}"
            roc.to_csv(directory / f"roc_{suffix}.csv", index=False)
            pr.to_csv(directory / f"pr_{suffix}.csv", index=False)
        called = call(part.probabilities, threshold, part.healthy)
        confusion = pd.DataFrame({"actual": np.array(names)[part.truth], "predicted": np.array(names)[called]})
        confusion.to_csv(directory / f"confusion_{name}.csv", index=False)
        counts = confusion_matrix(part.truth, called, labels=range(len(names)))
        _save(plot_confusion(counts, names, name), directory / f"confusion_{name}.png")
    for label, of_parts in curves.items():
        _save(plot_curves(of_parts, label), directory / ("curves.png" if label == SICK else f"curves_{label}.png"))


def _write_encoding(parts: dict[str, Part], data: Path, directory: Path) -> None:
    """Write how well pneumonia follows from the encoding, and beside it from the model."""
    index, split = _read(data / "clean" / "index.csv"), _read(data / "split.csv")
    table = encoding_report(index.merge(split[["file", "class", "part"]], on="file"))
    of_model = {name: float(roc_auc_score(part.sick, part.probability)) for name, part in parts.items()}
    table.loc[len(table)] = {"property": "the model, for comparison", "train": np.nan, **of_model}
    table.to_csv(directory / "encoding.csv", index=False)


def _write_alterations(
    model: keras.Model, images: np.ndarray, test: Part, temperature: float, draws: int, directory: Path
) -> list[str]:
    """Write what is left of the score on altered test films; what that says of the model, in words."""

    def predict(films: np.ndarray) -> np.ndarray:
        probabilities = scale(probabilities_of(model, films, np.arange(len(films))), temperature)
        return probability_of_pneumonia(probabilities, test.healthy)

    films = images[test.films["image"].to_numpy()]
    report = shortcut_report(predict, films, test.sick, test.scored.patients, draws)
    report.to_csv(directory / "alterations.csv", index=False)
    _save(plot_alterations(films[int(np.argmax(test.sick))], report), directory / "alterations.png")
    return findings(report)


def _write_errors(
    model: keras.Model, images: np.ndarray, test: pd.DataFrame, healthy: int, data: Path, directory: Path
) -> None:
    """Write the calls of the test films by group, and the surest errors."""
    facts = _read(data / "clean" / "index.csv")
    facts = facts.set_index("file").loc[test["file"]].reset_index()
    sick, called = (~test[column].isin(WITHOUT_PNEUMONIA).to_numpy() for column in ("class", "predicted"))
    right = (test["class"] == test["predicted"]).to_numpy()
    figures_by_group(group_films(facts), sick, called, right).to_csv(directory / "groups_test.csv", index=False)
    errors = surest_errors(test)
    _save(plot_errors(model, images, errors, healthy), directory / "errors.png")


def _write_receptive_field(model: keras.Model, images: np.ndarray, rows: np.ndarray, directory: Path) -> None:
    films = images[rows[:: max(1, len(rows) // FILMS_FOR_RECEPTIVE_FIELD)][:FILMS_FOR_RECEPTIVE_FIELD]][..., None]
    table = layer_table(model)
    table.to_csv(directory / "receptive_field.csv", index=False)
    try:
        effective = effective_receptive_field(model, films)
    except ValueError as error:  # a network whose units are all dead is bad news, and its figures are to say so
        log.warning("no effective receptive field: %s", error)
        return
    _save(plot_receptive_field(table, effective, films[0, ..., 0]), directory / "receptive_field.png")


def _read(table: Path) -> pd.DataFrame:
    """`index.csv` or `split.csv`: a patient's name may look like a number, and a missing one is not a number."""
    return pd.read_csv(table, dtype={"patient": str, "file": str}, keep_default_na=False)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=100)
