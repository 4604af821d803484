"""What a reader wants to know first: is it good, is it sure, does it cheat, where does it fail. A sentence each."""

from collections.abc import Mapping, Sequence

import pandas as pd

from pneumonia.evaluation.alterations import STRESSES, WITHOUT_LUNGS

FEWEST = 10
"""A group of fewer films is not called the weakest."""


def first_answers(
    metrics: Mapping[str, float],
    intervals: pd.DataFrame,
    alterations: pd.DataFrame,
    groups: pd.DataFrame,
    findings: Sequence[str],
) -> list[tuple[str, str]]:
    """A question and its answer each, of the films of one part.

    `metrics` are `metrics.compute_metrics`' at the operating point, `intervals` as of `parts.intervals_of`,
    `alterations` as of `shortcuts.shortcut_report`, `groups` as of `subgroups.metrics_by_group`.
    """
    auc = intervals.set_index("metric").loc["roc_auc"]
    found, missed = int(metrics["true_positives"]), int(metrics["false_negatives"])
    cleared, alarms = int(metrics["true_negatives"]), int(metrics["false_positives"])
    return [
        (
            "Is it good?",
            f"Its AUC on {found + missed + cleared + alarms:,} films is {auc['value']:.3f}. At the operating point it "
            f"finds {found} of {found + missed} sick films, and calls {cleared} of {cleared + alarms} healthy films "
            "healthy.",
        ),
        (
            "Is it sure?",
            f"With other patients of the same kind the AUC would lie between {auc['low']:.3f} and {auc['high']:.3f} "
            "(95 % interval). What another training would give is not in that: pneumonia repeat tells.",
        ),
        ("Does it cheat?", _cheats(alterations.set_index("films"), len(findings))),
        ("Where does it fail?", _fails(alterations.set_index("films"), groups)),
    ]


def _cheats(altered: pd.DataFrame, findings: int) -> str:
    name = altered.loc[list(WITHOUT_LUNGS), "roc_auc"].idxmax()
    most = altered.loc[name]
    kept = name.replace("only", "nothing left but")
    left = f"with {kept} its AUC is {most['roc_auc']:.3f} ({most['low']:.3f} to {most['high']:.3f}); chance is 0.5."
    if not findings:
        return f"Nothing speaks clearly for it: {left}"
    return f"It may: {findings} {'sign is' if findings == 1 else 'signs are'} listed below, and {left}"


def _fails(altered: pd.DataFrame, groups: pd.DataFrame) -> str:
    name = altered.loc[list(STRESSES), "roc_auc"].idxmin()
    worst = altered.loc[name]
    stress = f"Of {len(STRESSES)} stresses “{name}” costs most: its AUC is then {worst['roc_auc']:.3f}."
    large = groups[groups["films"] >= FEWEST]
    if large.empty:
        return stress
    weakest = large.loc[large["right"].idxmin()]
    return (
        f"It is right least often where {weakest['by']} is {weakest['group']}: {weakest['right']:.1%} of "
        f"{weakest['films']} films ({weakest['low']:.1%} to {weakest['high']:.1%}). {stress}"
    )
