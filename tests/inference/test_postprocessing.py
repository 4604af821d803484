import numpy as np
import pytest

from pneumonia.inference.postprocessing import Postprocessing

ASIS = {"nms_iou": 1.0, "shrink": 1.0}


def test_less_confident_candidates_than_the_threshold_are_dropped():
    candidates = np.array([[0, 0, 5, 5, 0.2], [20, 0, 5, 5, 0.5], [40, 0, 5, 5, 0.7]])
    shown = Postprocessing(0.5, **ASIS).apply(candidates)
    assert shown.tolist() == [[40, 0, 5, 5, 0.7], [20, 0, 5, 5, 0.5]]
    assert Postprocessing(0.9, **ASIS).apply(candidates).shape == (0, 5)


def test_suppression_keeps_the_more_confident_of_two_that_overlap_and_what_only_it_hid():
    """IoU 70 / 130 = 0.54 of neighbours: the second goes, so the third, which overlaps only it that much, stays."""
    chain = np.array([[0, 0, 100, 10, 0.9], [30, 0, 100, 10, 0.8], [60, 0, 100, 10, 0.7]])
    assert Postprocessing(0, 0.5, 1).apply(chain)[:, 0].tolist() == [0, 60]
    assert Postprocessing(0, 0.54, 1).apply(chain)[:, 0].tolist() == [0, 30, 60]
    assert Postprocessing(0, 0.2, 1).apply(chain)[:, 0].tolist() == [0]


def test_of_equally_confident_candidates_the_first_given_is_kept():
    alike = np.array([[0, 0, 10, 10, 0.5], [1, 0, 10, 10, 0.5]])
    assert Postprocessing(0, 0.5, 1).apply(alike)[:, 0].tolist() == [0]
    assert Postprocessing(0, 0.5, 1).apply(alike[::-1])[:, 0].tolist() == [1]


def test_boxes_shrink_about_their_centres_after_the_suppression():
    pair = np.array([[0, 0, 100, 20, 0.9], [30, 0, 100, 20, 0.8]])
    shown = Postprocessing(0, 0.5, 0.8).apply(pair)  # of the shrunk ones the IoU would be 0.45
    assert shown == pytest.approx(np.array([[10, 2, 80, 16, 0.9]]))
