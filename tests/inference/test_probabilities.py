import math

import numpy as np
import pytest

from pneumonia.inference.probabilities import scale


def test_two_classes_are_the_sigmoid_of_the_scaled_logit():
    scaled = scale(np.array([[0.2, 0.8]]), 2.0)[0]
    assert scaled[1] == pytest.approx(1 / (1 + math.exp(-math.log(0.8 / 0.2) / 2)))
    assert scale(np.array([[1.0, 0.0]]), 4.0).sum() == pytest.approx(1)
