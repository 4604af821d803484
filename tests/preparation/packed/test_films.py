import numpy as np
import pandas as pd
import pytest

from pneumonia.preparation.packed.films import FilmBatches, read_boxes


@pytest.fixture
def images() -> np.ndarray:
    """Ten films; every pixel of film k is k."""
    return np.broadcast_to(np.arange(10, dtype=np.uint8)[:, None, None], (10, 8, 8)).copy()


def test_films_to_predict_on_keep_their_order_in_batches_of_one_shape(images):
    feed = FilmBatches(images, np.array([7, 1, 4]), batch_size=2)
    assert [[film[0, 0, 0] for film in feed[number][0]] for number in range(len(feed))] == [[7, 1], [4, 7]]
    [batch] = FilmBatches(images, np.array([3]), batch_size=4)[0]
    assert batch[:, 0, 0, 0].tolist() == [3] * 4


def test_each_row_has_the_boxes_of_its_film(tmp_path):
    pd.DataFrame({"file": ["007.dcm", "a.dcm", "b.dcm"]}).to_csv(tmp_path / "index.csv", index=False)
    rows = [["b.dcm", 1, 2, 3, 4], ["007.dcm", 5, 6, 7, 8], ["b.dcm", 9, 8, 7, 6]]
    pd.DataFrame(rows, columns=["file", "x", "y", "width", "height"]).to_csv(tmp_path / "boxes.csv", index=False)
    boxes = read_boxes(tmp_path)
    assert [each.tolist() for each in boxes] == [[[5, 6, 7, 8]], [], [[1, 2, 3, 4], [9, 8, 7, 6]]]
