import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from pneumonia.preparation.cleaning.box_report import PLACES, coverage, plot_box_samples, summarize_boxes

BOXES = pd.DataFrame(
    [
        ["a.png", 0.0, 0.0, 16.0, 8.0],
        ["a.png", 8.0, 0.0, 16.0, 8.0],  # half over the first
        ["b.png", 8.0, 0.0, 24.0, 32.0],
    ],
    columns=["file", "x", "y", "width", "height"],
)
FILMS = pd.DataFrame({"file": ["0.png", "a.png", "b.png", "c.png"]})


def test_coverage_counts_a_film_once_at_each_place():
    covered = coverage(BOXES, size=32)
    assert covered.shape == (PLACES, PLACES)
    quarter = PLACES // 4
    expected = np.zeros((PLACES, PLACES))
    expected[:quarter, :quarter] = 0.5  # a alone
    expected[:quarter, quarter : 3 * quarter] = 1  # a, whose boxes overlap in a part of it, and b
    expected[:quarter, 3 * quarter :] = 0.5
    expected[quarter:, quarter:] = 0.5  # b alone
    np.testing.assert_array_equal(covered, expected)


def test_numbers_are_shares_of_the_film():
    told = summarize_boxes(BOXES, FILMS, size=32)
    assert json.loads(json.dumps(told)) == {
        "boxes": 3,
        "films_with": 2,
        "films_without": 2,
        "films_by_boxes": {"1": 1, "2": 1},
        "share_of_film": {
            "width": {"min": 0.5, "median": 0.5, "max": 0.75},
            "height": {"min": 0.25, "median": 0.25, "max": 1},
            "area": {"min": 0.125, "median": 0.125, "max": 0.75},
        },
    }


@pytest.mark.parametrize("films", [1, 7, 30])
def test_samples_are_films_with_boxes_in_red_where_they_belong(films):
    rng = np.random.default_rng(films)
    images, rows = np.zeros((2 * films, 64, 64), np.uint8), []
    for row in range(1, 2 * films, 2):  # every second film shows a white rectangle, with a box around it
        x, y, width, height = rng.integers(8, 30, 4)
        images[row, y : y + height, x : x + width] = 255
        rows.append([f"{row}.png", x, y, width, height])
    boxes = pd.DataFrame(rows, columns=BOXES.columns)
    figure = plot_box_samples(boxes, pd.DataFrame({"file": [f"{row}.png" for row in range(2 * films)]}), images)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = np.flipud(np.asarray(canvas.buffer_rgba())).astype(int)  # rows upwards, as Matplotlib counts them
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == min(films, 12)
    for axes in shown:
        left, bottom, right, top = axes.get_window_extent().extents.round().astype(int)
        film = picture[bottom + 2 : top - 2, left + 2 : right - 2]
        red = (film[..., 0] > 150) & (film[..., 1:3] < 100).all(axis=2)
        white = (film[..., :3] > 200).all(axis=2)
        for axis in (0, 1):
            of_red, of_white = (np.flatnonzero(pixels.any(axis=axis))[[0, -1]] for pixels in (red, white))
            assert np.abs(of_red - of_white).max() <= 3
