import numpy as np
import pytest

from pneumonia.evaluation.boxes.rsna_metric import film_score, mean_average_precision

NOTHING, NO_BOXES = np.zeros((0, 5)), np.zeros((0, 4))
LEFT, RIGHT = [0, 0, 100, 100], [200, 0, 100, 100]


def boxes(*rows) -> np.ndarray:
    return np.array(rows, float)


def narrower(width: float, confidence: float = 0.9) -> list[float]:
    """A detection in `LEFT` whose IoU with it is `width` per cent."""
    return [0, 0, width, 100, confidence]


def test_no_boxes_on_both_sides_leave_the_film_out():
    assert np.isnan(film_score(NO_BOXES, NOTHING))


def test_any_box_on_a_film_without_true_boxes_scores_0():
    assert film_score(NO_BOXES, boxes([*LEFT, 0.01])) == 0


def test_nothing_predicted_where_there_is_something_scores_0():
    assert film_score(boxes(LEFT), NOTHING) == 0


def test_the_mean_over_thresholds_counts_those_that_the_overlap_is_above():
    assert film_score(boxes(LEFT), boxes(narrower(52))) == 3 / 8  # 0.40, 0.45, 0.50
    assert film_score(boxes(LEFT), boxes(narrower(76))) == 1
    assert film_score(boxes(LEFT), boxes(narrower(39))) == 0


@pytest.mark.parametrize("per_cent", range(40, 80, 5))
def test_an_overlap_of_just_the_threshold_is_no_hit(per_cent):
    assert film_score(boxes(LEFT), boxes(narrower(per_cent))) == (per_cent - 40) / 5 / 8


def test_several_predictions_at_one_threshold():
    """IoU 0.62, 1 and 0 with two true boxes: up to 0.60 TP 2, FP 1, FN 0, from 0.65 on TP 1, FP 2, FN 1."""
    predicted = boxes(narrower(62), [*RIGHT, 0.8], [400, 400, 50, 50, 0.3])
    assert film_score(boxes(LEFT, RIGHT), predicted) == pytest.approx((5 * 2 / 3 + 3 * 1 / 4) / 8)


def test_two_predictions_on_one_true_box_are_one_hit_and_one_false_alarm():
    assert film_score(boxes(LEFT), boxes([*LEFT, 0.9], [*LEFT, 0.8])) == 1 / 2


def test_the_more_confident_prediction_chooses_first():
    """True boxes overlap: the IoU of `first` is 75 / 125 with the left and 85 / 115 with the right one, of `second`
    60 / 140 and 1.
    """
    truth = boxes([0, 0, 100, 100], [40, 0, 100, 100])
    first, second = [25, 0, 100, 100], [40, 0, 100, 100]
    eager = film_score(truth, boxes([*first, 0.9], [*second, 0.8]))
    patient = film_score(truth, boxes([*first, 0.8], [*second, 0.9]))
    # First takes the right box up to 0.70. At 0.40 second still hits the left one, TP 2; then nothing, TP 1. At 0.75
    # first hits nothing, and second the right box, TP 1.
    assert eager == pytest.approx((1 + 7 * 1 / 3) / 8)
    # Second takes the right box always; first hits the left one up to 0.55, TP 2.
    assert patient == pytest.approx((4 * 1 + 4 * 1 / 3) / 8)
    assert film_score(truth, boxes([*second, 0.8], [*first, 0.9])) == eager


def test_the_mean_is_over_the_films_that_are_not_left_out():
    truths = [boxes(LEFT), boxes(LEFT, RIGHT), NO_BOXES, NO_BOXES, boxes(RIGHT)]
    predictions = [boxes([*LEFT, 0.9]), boxes([*LEFT, 0.9]), boxes([*LEFT, 0.4]), NOTHING, NOTHING]
    assert mean_average_precision(truths, predictions) == pytest.approx((1 + 1 / 2 + 0 + 0) / 4)
    weights = np.array([2, 1, 3, 7, 0])
    assert mean_average_precision(truths, predictions, weights) == pytest.approx((2 * 1 + 1 / 2) / 6)


def test_there_is_no_metric_where_no_film_counts():
    assert np.isnan(mean_average_precision([NO_BOXES], [NOTHING]))
