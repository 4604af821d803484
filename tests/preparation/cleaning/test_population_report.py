import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg

from pneumonia.preparation.cleaning.population_report import known_facts, plot_population, summarize_population

FILMS = pd.DataFrame(
    {
        "label": ["opacity", "opacity", "opacity", "normal", "normal", "not_normal"],
        "view": ["AP", "AP", "PA", "AP", "PA", ""],
        "sex": ["", "", "", "", "", ""],
        "age": [9.9, 10.0, 90.0, 79.5, np.nan, 0.1],
    }
)


def test_shares_of_the_labels_by_group():
    told = summarize_population(FILMS)
    assert told == {
        "view": {
            "AP": {"films": 3, "share": {"normal": 0.3333, "not_normal": 0, "opacity": 0.6667}},
            "PA": {"films": 2, "share": {"normal": 0.5, "not_normal": 0, "opacity": 0.5}},
            "unknown": {"films": 1, "share": {"normal": 0, "not_normal": 1, "opacity": 0}},
        },
        "age": {
            "0-9": {"films": 2, "share": {"normal": 0, "not_normal": 0.5, "opacity": 0.5}},
            "10-19": {"films": 1, "share": {"normal": 0, "not_normal": 0, "opacity": 1}},
            "70-79": {"films": 1, "share": {"normal": 1, "not_normal": 0, "opacity": 0}},
            "80+": {"films": 1, "share": {"normal": 0, "not_normal": 0, "opacity": 1}},
            "unknown": {"films": 1, "share": {"normal": 1, "not_normal": 0, "opacity": 0}},
        },
    }
    assert list(told["age"]) == ["0-9", "10-19", "70-79", "80+", "unknown"]


def test_facts_that_no_file_tells_are_no_facts():
    nothing = FILMS.assign(view="", age=pd.Series([None] * len(FILMS), dtype=object))
    assert known_facts(FILMS) == ["view", "age"]
    assert known_facts(nothing) == []
    assert summarize_population(nothing) == {}


def test_the_bars_are_films_above_and_per_cent_below():
    figure = plot_population(FILMS, {"normal": "#0072b2", "not_normal": "#009e73", "opacity": "#d55e00"})
    FigureCanvasAgg(figure).draw()
    views, _, shares, _ = figure.axes
    heights = {bars.get_label(): [round(bar.get_height(), 1) for bar in bars] for bars in views.containers}
    assert heights == {"normal": [1, 1, 0], "not_normal": [0, 0, 1], "opacity": [2, 1, 0]}
    opacity = shares.containers[-1]
    assert [round(bar.get_height(), 1) for bar in opacity] == [66.7, 50, 0]
    assert [round(bar.get_y() + bar.get_height()) for bar in opacity] == [100, 100, 100]
