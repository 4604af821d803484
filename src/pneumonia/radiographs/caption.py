"""A film's name in a picture: shown as it is and taken for no formula, in characters that the font has."""

from functools import cache
from pathlib import PurePosixPath

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties, findfont, get_font

WITHOUT_GLYPH = "□"


def write_caption(axes: Axes, file: str, most: int, below: str = "", *, fontsize: float, color: str = "black") -> None:
    """Write the name of `file`, of `most` characters, above a film, and the line `below` under it."""
    name = PurePosixPath(file).name
    shown = name if len(name) <= most else f"{name[: most - 1]}…"
    axes.set_title("\n".join(filter(None, [drawable(shown), below])), fontsize=fontsize, color=color, parse_math=False)


def drawable(text: str) -> str:
    """`text` with a box for each character that the font lacks: Matplotlib warns of each, every time."""
    return "".join(each if ord(each) in _glyphs() else WITHOUT_GLYPH for each in text)


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties())).get_charmap())
