import numpy as np
import pytest

from pneumonia.evaluation.boxes.baseline import baseline_candidates
from pneumonia.evaluation.boxes.rsna_metric import mean_average_precision
from pneumonia.evaluation.boxes.tuning import prevalence_weights, tune
from pneumonia.inference.postprocessing import Postprocessing

NO_BOXES = np.zeros((0, 4))


def films_at_random(rng: np.random.Generator, count: int, candidates: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Films of 224 pixels of which every other has one to three boxes; half of its candidates are near these."""

    def boxes(number: int) -> np.ndarray:
        return np.concatenate([rng.uniform(0, 150, (number, 2)), rng.uniform(20, 74, (number, 2))], axis=1)

    truths = [boxes(rng.integers(1, 4)) if film % 2 else NO_BOXES for film in range(count)]
    found = []
    for truth in truths:
        some = boxes(candidates)
        if len(truth):
            near = rng.choice(truth, candidates // 2)
            some[: candidates // 2] = near + rng.normal(0, 6, near.shape)
        found.append(np.column_stack([some, rng.random(candidates)]))
    return found, truths


def test_tuning_finds_what_makes_the_boxes_right():
    """Sick films have twice a box that is 1 / 0.8 as large, at 0.6 or more, and something else below 0.2."""
    rng = np.random.default_rng(0)
    candidates, truths = [], []
    for film in range(40):
        box = np.append(rng.integers(20, 60, 2), rng.integers(30, 60, 2)).astype(float)
        large = np.concatenate([box[:2] - box[2:] / 8, box[2:] / 0.8])
        wrong = [*rng.integers(100, 150, 2), 40, 40, rng.uniform(0, 0.2)]
        right = [np.append(large + shift, rng.uniform(0.6, 1)) for shift in (0, [3, 0, 0, 0])]
        truths.append(box[None] if film % 2 else NO_BOXES)
        candidates.append(np.array([*right, wrong]) if film % 2 else np.array([wrong]))
    best, grid = tune(candidates, truths, nms_ious=[0.3, 1], shrinks=[1, 0.8], weights=np.ones(40))
    assert (best.nms_iou, best.shrink) == (0.3, 0.8)
    assert 0.2 <= best.threshold <= 0.6
    at_best = grid.loc[grid["score"].idxmax()]
    assert at_best["score"] == pytest.approx(mean_average_precision(truths, list(map(best.apply, candidates))))
    assert set(grid["shrink"]) == {1, 0.8}


def test_each_score_of_the_grid_is_that_of_its_postprocessing():
    rng = np.random.default_rng(1)
    candidates, truths = films_at_random(rng, 30, 12)
    weights = prevalence_weights(truths, 0.2)
    _, grid = tune(candidates, truths, nms_ious=[0.2, 0.6], shrinks=[1, 0.9], weights=weights)
    for row in grid.sample(15, random_state=0).itertuples():
        shown = map(Postprocessing(row.threshold, row.nms_iou, row.shrink).apply, candidates)
        assert row.score == pytest.approx(mean_average_precision(truths, list(shown), weights))


def test_of_equally_good_thresholds_the_highest_is_taken():
    """Nothing is ever right but on one film, at 0.9: all thresholds from there down score alike."""
    box = np.array([[0.0, 0, 10, 10]])
    truths = [box, box, box]
    candidates = [np.array([[0, 0, 10, 10, 0.9]]), *[np.array([[50, 50, 10, 10, c]]) for c in (0.1, 0.5)]]
    best, grid = tune(candidates, truths, [1], [1], np.ones(3))
    assert grid["score"].nunique() == 1
    assert best.threshold == grid["threshold"].max()


def test_where_opacities_are_rare_the_threshold_is_higher():
    """Right on 20 films of 20 from 0.3 up, wrong on 5 of 20 healthy ones up to 0.7."""
    box = np.array([[0.0, 0, 10, 10]])
    truths = [box] * 20 + [NO_BOXES] * 20
    confidence = np.concatenate([np.linspace(0.3, 0.95, 20), np.linspace(0.5, 0.7, 5), np.zeros(15)])
    candidates = baseline_candidates(box, confidence)
    common, rare = (tune(candidates, truths, [1], [1], prevalence_weights(truths, p))[0] for p in (0.9, 0.02))
    assert common.threshold < 0.35
    assert rare.threshold > 0.7


def test_weights_make_the_share_of_films_with_boxes_the_prevalence():
    truths = [np.ones((2, 4)), NO_BOXES, NO_BOXES, NO_BOXES, np.ones((1, 4))]
    assert prevalence_weights(truths, 0.3) == pytest.approx([0.15, 0.7 / 3, 0.7 / 3, 0.7 / 3, 0.15])
