import numpy as np

from pneumonia.preparation.packed.lungs import rectangle


def test_the_rectangle_by_hand():
    assert rectangle(100) == (slice(15, 90), slice(10, 90))
    assert rectangle(100, np.array([0.02, -0.05, 0.0, 0.01])) == (slice(17, 85), slice(10, 91))
