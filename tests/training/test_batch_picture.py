import numpy as np
import pandas as pd

from pneumonia.training.batch_picture import COLUMNS, ROWS, plot_batch


def test_each_film_is_shown_with_its_class_and_weight_and_blends_with_their_shares(make_params):
    rows = pd.DataFrame(
        {
            "image": range(8),
            "class": ["normal", "pneumonia"] * 4,
            "draws": 1,
            "augment": False,
            "weight": [2.0, 0.5] * 4,
        }
    )
    images = np.random.default_rng(0).integers(0, 255, (8, 64, 64), dtype=np.uint8)
    plain = plot_batch(make_params({"train.mixup": 0, "train.batch_size": 8}), images, rows)
    titles = [axes.get_title() for axes in plain.axes]
    assert len(titles) == ROWS * COLUMNS
    assert sorted(titles[:8]) == ["normal\nweight 2.00"] * 4 + ["pneumonia\nweight 0.50"] * 4
    assert set(titles[8:]) == {""}
    blended = plot_batch(make_params({"train.mixup": 5.0, "train.batch_size": 8}), images, rows)
    titles = [axes.get_title() for axes in blended.axes]
    assert any("normal" in title and "pneumonia" in title and "%" in title for title in titles)
