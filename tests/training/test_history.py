import pytest

from pneumonia.training.history import epochs_without_better, plateaus


@pytest.mark.parametrize(("losses", "count"), [([], 0), ([3, 2, 1], 0), ([3, 1, 2, 1, 5], 3), ([1], 0)])
def test_epochs_since_the_first_best(losses, count):
    assert epochs_without_better(losses) == count


@pytest.mark.parametrize(
    ("losses", "patience", "count"),
    [([3, 2, 1], 1, 0), ([1, 2, 2], 2, 1), ([1, 2, 2, 2, 2], 2, 2), ([1, 2, 0.5, 2], 2, 0), ([1, 1, 1], 1, 2)],
)
def test_every_so_many_epochs_without_better_is_a_plateau(losses, patience, count):
    assert plateaus(losses, patience) == count
