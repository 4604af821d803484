"""What a prediction rests on, drawn on the film."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pneumonia.annotations.boxes import rescale
from pneumonia.inference.predictor import Prediction, Predictor
from pneumonia.radiographs.read import resize

PREDICTED = (64, 156, 255)
"""Red, green and blue of predicted boxes: a blue that is bright enough for a dark film."""


def show_evidence(predictor: Predictor, prediction: Prediction, film: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The boxes of a localiser, or else the heat of Grad-CAM, on `shown`: uint8 (h, w, 3).

    `prediction` is that of `predictor` for `film`, uint8 (H, W); `shown`, uint8 (h, w), is the film at any size.

    Raises:
        UserError: Grad-CAM needs the network in Keras, which cannot be had (see `Predictor.keras_model`).
    """
    if prediction.boxes is not None:
        boxes = np.array(prediction.boxes).reshape(-1, 5)
        return outline_boxes(shown, rescale(boxes, film.shape, shown.shape))
    # Here, since it imports Keras, which takes seconds and which boxes do without.
    from pneumonia.inference.gradcam import grad_cam, lay_heat_over

    packed = resize(film, predictor.decision.image_size)
    heat = grad_cam(predictor.keras_model(), packed[None, ..., None], healthy=predictor.decision.healthy)[0]
    return lay_heat_over(shown, heat)


def outline_boxes(film: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """`film`, uint8 (H, W), with `boxes`, float (K, 5) in its pixels, and their confidences on it: uint8 (H, W, 3)."""
    picture = Image.fromarray(film).convert("RGB")
    pen, side = ImageDraw.Draw(picture), min(film.shape)
    font, width = ImageFont.load_default(max(10, side / 32)), max(1, round(side / 256))
    for x, y, box_width, box_height, confidence in boxes:
        pen.rectangle((x, y, x + box_width, y + box_height), outline=PREDICTED, width=width)
        pen.text((x + 2 * width, y + width), f"{confidence:.2f}", PREDICTED, font)
    return np.asarray(picture)
