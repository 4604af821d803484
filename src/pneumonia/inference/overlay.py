"""Boxes drawn on a film."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PREDICTED = (64, 156, 255)
"""Red, green and blue of predicted boxes: a blue that is bright enough for a dark film."""


def draw_boxes(film: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """`boxes`, float (K, 5) in its pixels, each with its confidence, on `film`, uint8 (H, W): uint8 (H, W, 3)."""
    picture = Image.fromarray(film).convert("RGB")
    pen, side = ImageDraw.Draw(picture), min(film.shape)
    font, width = ImageFont.load_default(max(10, side / 32)), max(1, round(side / 256))
    for x, y, box_width, box_height, confidence in boxes:
        pen.rectangle((x, y, x + box_width, y + box_height), outline=PREDICTED, width=width)
        pen.text((x + 2 * width, y + width), f"{confidence:.2f}", PREDICTED, font)
    return np.asarray(picture)
