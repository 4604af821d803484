import numpy as np

from pneumonia.evaluation.boxes.baseline import average_box, average_box_of_each_lung, baseline_candidates

NO_BOXES = np.zeros((0, 4))


def test_the_baseline_is_the_average_boxes_as_confident_as_the_classifier():
    truths = [np.array([[0.0, 10, 20, 30], [60, 10, 40, 10]]), NO_BOXES, np.array([[30.0, 40, 30, 50]])]
    assert average_box(truths).tolist() == [[30, 20, 30, 30]]
    lungs = average_box_of_each_lung(truths, 100)
    assert lungs.tolist() == [[15, 25, 25, 40], [60, 10, 40, 10]]
    assert average_box_of_each_lung(truths, 300).tolist() == average_box(truths).tolist()
    films = baseline_candidates(lungs, np.array([0.2, 0.9]))
    assert films[1].tolist() == [[15, 25, 25, 40, 0.9], [60, 10, 40, 10, 0.9]]
    assert films[0][:, 4].tolist() == [0.2, 0.2]
