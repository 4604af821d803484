"""What an answer rests on, as a picture."""

import numpy as np

from pneumonia.annotations.boxes import rescale
from pneumonia.inference.gradcam import grad_cam, overlay
from pneumonia.inference.overlay import draw_boxes
from pneumonia.inference.predictor import Answer, Classifier
from pneumonia.radiographs.read import resize


def show_evidence(classifier: Classifier, answer: Answer, film: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The boxes of a localiser, or else the heat of Grad-CAM, on `shown`: uint8 (h, w, 3).

    `answer` is that of the `classifier` to `film`, uint8 (H, W); `shown`, uint8 (h, w), is the film at any size.
    """
    if answer.boxes is not None:
        boxes = np.array(answer.boxes).reshape(-1, 5)
        return draw_boxes(shown, rescale(boxes, film.shape, shown.shape))
    packed = resize(film, classifier.decision.image_size)
    heat = grad_cam(classifier.network, packed[None, ..., None], healthy=classifier.decision.healthy)[0]
    return overlay(shown, heat)
