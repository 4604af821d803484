"""Who is on the films: labels by view, sex and age, where the files tell them, as DICOM does.

A model can learn these in place of the label. The very sick are filmed in bed, from the front (AP), others standing,
from behind (PA): telling AP from PA then looks like telling sick from well.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

POPULATION_FACTS = {"view": "view position", "sex": "sex", "age": "age in years"}
UNKNOWN = "unknown"

_SHARE_WITH_ROOM = 8  # per cent of the bar, below which a number does not fit in


def summarize_population(films: pd.DataFrame) -> dict[str, Any]:
    """For each fact known of any film, by its groups: the number of films, and the share of each label among them."""
    return {
        fact: {
            group: {"films": int(counts.sum()), "share": (counts / counts.sum()).round(4).to_dict()}
            for group, counts in count_labels(films, fact).iterrows()
        }
        for fact in known_facts(films)
    }


def known_facts(films: pd.DataFrame) -> list[str]:
    """Those of `POPULATION_FACTS` that are known of at least one film."""
    return [fact for fact in POPULATION_FACTS if (_groups(films, fact) != UNKNOWN).any()]


def count_labels(films: pd.DataFrame, fact: str) -> pd.DataFrame:
    """The number of films, int64, by group of `fact` (rows) and label (columns); ages are grouped by decades."""
    return pd.crosstab(_groups(films, fact).rename(fact), films["label"])


def plot_population(films: pd.DataFrame, colors: Mapping[str, str]) -> Figure:
    """A figure of the films of each group by label, and the shares of the labels, stacked in the order of `colors`."""
    tables = {fact: count_labels(films, fact) for fact in known_facts(films)}
    figure = Figure(figsize=(12, 6.5), layout="constrained")
    bars = [len(table) + 1 for table in tables.values()]
    grid = figure.subplots(2, len(tables), sharex="col", sharey="row", squeeze=False, width_ratios=bars)
    for (fact, table), (above, below) in zip(tables.items(), grid.T, strict=True):
        table = table[[label for label in colors if label in table]]
        _stack(above, table, colors)
        _stack(below, 100 * table.div(table.sum(axis=1), axis=0), colors, numbered=True)
        above.set_title(f"by {POPULATION_FACTS[fact]}")
        above.bar_label(above.containers[-1], [f"{count:,}" for count in table.sum(axis=1)], fontsize=9)
        below.set_xticks(range(len(table)), table.index)
    grid[0, 0].set_ylabel("films")
    grid[1, 0].set_ylabel("share of the group, %")
    counts = films["label"].value_counts()
    labels = [f"{label} ({counts[label]:,})" for label in colors if label in counts]
    handles, _ = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    return figure


def _groups(films: pd.DataFrame, fact: str) -> pd.Series:
    """The name of each film's group; the names sort in the order of the groups."""
    if fact != "age":
        return films[fact].replace("", UNKNOWN)
    decades = pd.to_numeric(films["age"]) // 10
    names = {**{decade: f"{10 * decade}-{10 * decade + 9}" for decade in range(8)}, 8: "80+"}
    return decades.clip(upper=8).map(names).fillna(UNKNOWN)


def _stack(axes: Axes, table: pd.DataFrame, colors: Mapping[str, str], numbered: bool = False) -> None:
    bottom = np.zeros(len(table))
    for label, heights in table.items():
        bars = axes.bar(range(len(table)), heights, bottom=bottom, color=colors[str(label)], label=label, width=0.8)
        if numbered:
            texts = [f"{height:.0f}" if height >= _SHARE_WITH_ROOM else "" for height in heights]
            axes.bar_label(bars, texts, label_type="center", color="white", fontsize=8)
        bottom += heights.to_numpy()
    axes.spines[["top", "right"]].set_visible(False)
