"""Does a model cheat? What is left of its score on films that lost their lungs, and on films that kept them."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score

from pneumonia.evaluation.alterations import ALTERATIONS, STRESSES, WITHOUT_LUNGS
from pneumonia.evaluation.bootstrap import intervals

SUSPICIOUS = 0.65
"""An AUC whose interval lies above this is suspicious: age, posture and pose show outside the lungs too, but rarely
explain so much. Networks trained on Kermany's films keep 0.57 to 0.81 with the lungs greyed out (docs/results.md)."""


def shortcut_report(altered: dict[str, np.ndarray], sick: np.ndarray, patients: np.ndarray, draws: int) -> pd.DataFrame:
    """What is left of a model's AUC on altered films, a row an alteration.

    `altered` has the films' probability of pneumonia, float (N,), by `ALTERATIONS`; `sick`, int (N,) of 0 and 1, says
    which films show pneumonia, `patients`, str (N,), whose they are. Columns: `films` (the alteration), `roc_auc` with
    its 95 % interval from `low` to `high` (see `bootstrap.intervals`), and `probability_change`, the mean absolute
    change of a film's probability.
    """
    rows = []
    for name, probability in altered.items():
        auc = intervals(sick, probability, probability >= 0.5, patients, draws).loc["roc_auc"]
        change = float(np.abs(probability - altered["as it is"]).mean())
        rows.append(
            {
                "films": name,
                "roc_auc": auc["value"],
                "low": auc["low"],
                "high": auc["high"],
                "probability_change": change,
            }
        )
    return pd.DataFrame(rows)


def stressed_auc(altered: dict[str, np.ndarray], sick: np.ndarray) -> float:
    """The mean AUC over `STRESSES`; the arguments are as in `shortcut_report`."""
    return float(np.mean([roc_auc_score(sick, altered[name]) for name in STRESSES]))


def nothing_learned(reports: dict[str, pd.DataFrame]) -> list[str]:
    """A sentence for each part, by its name, on whose films the model may be no better than chance."""
    of_films = {part: report.set_index("films").loc["as it is"] for part, report in reports.items()}
    return [
        f"Nothing was learned that the {part} films show: their AUC is {auc['roc_auc']:.3f} ({auc['low']:.3f} to "
        f"{auc['high']:.3f}), which chance gives too."
        for part, auc in of_films.items()
        if auc["low"] <= 0.5
    ]


def stressed_rates(altered: dict[str, np.ndarray], sick: np.ndarray, threshold: float) -> pd.DataFrame:
    """What is left of a score under each of `STRESSES`, and as it is: `films`, `roc_auc`, `sensitivity`, `specificity`.

    The last two are at the `threshold`; the other arguments are as in `shortcut_report`.
    """
    rows = []
    for name in ("as it is", *STRESSES):
        called = altered[name] >= threshold
        auc = float(roc_auc_score(sick, altered[name]))
        rows.append((name, auc, float(called[sick == 1].mean()), float((~called[sick == 0]).mean())))
    return pd.DataFrame(rows, columns=["films", "roc_auc", "sensitivity", "specificity"])


def findings(report: pd.DataFrame) -> list[str]:
    """A sentence for each alteration without the lungs that leaves the model too much of a score (see `SUSPICIOUS`)."""
    tells = (report["low"] > SUSPICIOUS) | (report["high"] < 1 - SUSPICIOUS)  # ranked the wrong way round too
    left = report[report["films"].isin(WITHOUT_LUNGS) & tells]
    return [
        f"Shortcut: with {row.films} the model has an AUC of {row.roc_auc:.3f} ({row.low:.3f} to {row.high:.3f}) left; "
        f"part of its score may rest on something else than the lungs."
        for row in left.itertuples()
    ]


def plot_alterations(film: np.ndarray, report: pd.DataFrame) -> Figure:
    """One film, uint8 (S, S), in all alterations, each with its AUC in a `shortcut_report`."""
    columns = 7
    rows = -(-len(ALTERATIONS) // columns)
    figure = Figure(figsize=(2.1 * columns, 2.9 * rows), layout="constrained")
    for axes in (places := figure.subplots(rows, columns).ravel()):
        axes.set_axis_off()
    for axes, (name, alter), row in zip(places, ALTERATIONS.items(), report.itertuples(), strict=False):
        axes.imshow(alter(film), cmap="gray", vmin=0, vmax=255)
        axes.set_title(f"{name}\nAUC {row.roc_auc:.3f}\n({row.low:.3f} to {row.high:.3f})", fontsize=10)
    return figure
