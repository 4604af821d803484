import warnings

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pneumonia.radiographs.caption import WITHOUT_GLYPH, drawable, write_caption


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        ("images/normal/$^1_$.png", "$^1_$.png"),  # no formula
        ("images/胸é.png", f"{WITHOUT_GLYPH}é.png"),
        ("a" * 30 + ".png", "a" * 19 + "…"),
        ("back\\slash{}.png", "back\\slash{}.png"),
    ],
)
def test_a_name_is_drawn_as_it_is_without_a_warning(file, shown):
    figure = Figure()
    axes = figure.subplots()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_caption(axes, file, 20, "score 0.50", fontsize=8)
        FigureCanvasAgg(figure).draw()
    assert axes.get_title() == f"{shown}\nscore 0.50"


def test_what_the_font_has_stays():
    assert drawable("Ärzte × – 😀") == "Ärzte × – 😀".replace("😀", drawable("😀"))
