"""What an answer rests on, as a picture."""

import numpy as np

from pneumonia.classifier import Answer, Classifier
from pneumonia.gradcam import grad_cam, overlay
from pneumonia.localization.boxes import rescale
from pneumonia.localization.drawing import draw_boxes
from pneumonia.radiograph import resize


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
