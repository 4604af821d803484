import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pneumonia.evaluation.boxes.metrics import Detections, localization_difference, localization_metrics
from pneumonia.evaluation.boxes.rsna_metric import mean_average_precision

SIZE = 100
NO_BOXES, NOTHING = np.zeros((0, 4)), np.zeros((0, 5))
BOX, ELSEWHERE = [0, 0, 40, 40], [60, 60, 40, 40]


def alone(count: int) -> np.ndarray:
    return np.arange(count).astype(str)


def values(truths, ranked, threshold: float = 0.5) -> dict[str, float]:
    table = localization_metrics(truths, Detections(ranked, threshold), SIZE, alone(len(truths)), draws=10)
    return table["value"].to_dict()


def detections(*rows) -> np.ndarray:
    return np.array(rows, float)


def test_figures_by_hand():
    """Four films, three true boxes. In the order of confidence: right, wrong, right, wrong (a second time), wrong."""
    truths = [detections(BOX), detections(BOX), detections(BOX), NO_BOXES]
    ranked = [
        detections([*BOX, 0.9], [*BOX, 0.3]),
        detections([*ELSEWHERE, 0.8], [*BOX, 0.7]),
        NOTHING,
        detections([*BOX, 0.2]),
    ]
    metrics = values(truths, ranked)
    assert metrics["map"] == pytest.approx((1 + 1 / 2 + 0) / 3)  # the last film is left out
    assert metrics["ap_50"] == pytest.approx((1 + 2 / 3 + 0) / 3)  # precision 1 at the first, 2 / 3 at the second
    # One false positive in four films comes with the second box.
    rates = {rate: metrics[f"froc/{rate}"] for rate in ("0.125", "0.25", "0.5", "1", "2")}
    assert rates == pytest.approx({"0.125": 1 / 3, "0.25": 2 / 3, "0.5": 2 / 3, "1": 2 / 3, "2": 2 / 3})
    assert metrics["roc_auc"] == pytest.approx((1 + 1 + 0) / 3)
    # Wrong: none, the 1600 elsewhere, the 1600 missed, none.
    assert metrics["pixel_accuracy"] == pytest.approx(1 - 2 * 1600 / 10_000 / 4)


def test_precision_is_made_monotone():
    """Wrong at first, then three right ones of three: their precisions are 1 / 2, 2 / 3, 3 / 4, and so all 3 / 4."""
    truths = [detections(BOX)] * 3 + [NO_BOXES]
    ranked = [detections([*BOX, c]) for c in (0.5, 0.6, 0.7)] + [detections([*BOX, 0.9])]
    assert values(truths, ranked)["ap_50"] == pytest.approx(3 / 4)


def test_a_mark_may_be_rougher_for_froc_than_for_average_precision():
    rough = detections([0, 0, 40, 12, 0.9])  # IoU 0.3
    metrics = values([detections(BOX), NO_BOXES], [rough, NOTHING])
    assert (metrics["ap_50"], metrics["froc/0.125"]) == (0, 1)


@pytest.mark.parametrize("swap", [False, True])
def test_detections_of_one_confidence_count_together_whatever_their_order(swap):
    """At 0.5, the only threshold, one is right and one wrong."""
    truths, ranked = [detections(BOX), NO_BOXES], [detections([*BOX, 0.5]), detections([*BOX, 0.5])]
    if swap:
        truths, ranked = truths[::-1], ranked[::-1]
    metrics = values(truths, ranked)
    assert (metrics["ap_50"], metrics["froc/0.25"], metrics["froc/0.5"]) == (0.5, 0, 1)
    assert metrics["roc_auc"] == 0.5


def test_figures_without_a_denominator_are_nan():
    metrics = values([NO_BOXES, NO_BOXES], [NOTHING, detections([*BOX, 0.2])])
    assert {name for name, value in metrics.items() if np.isnan(value)} == {
        "map", "ap_50", "roc_auc", *(f"froc/{rate}" for rate in ("0.125", "0.25", "0.5", "1", "2"))
    }  # fmt: skip
    assert values([detections(BOX), NO_BOXES], [NOTHING, NOTHING])["ap_50"] == 0


def a_detector(rng: np.random.Generator, count: int, noise: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Films of which every other has a box, and what a detector sees: most boxes, off by `noise` pixels, and things."""
    truths, ranked = [], []
    for film in range(count):
        box = np.append(rng.uniform(0, 50, 2), rng.uniform(20, 50, 2))
        seen = [np.append(rng.uniform(0, 70, 2), [30, 30, rng.uniform(0, 0.8)]) for _ in range(rng.integers(3))]
        if film % 2 and rng.random() < 0.9:
            seen.append(np.append(box + rng.normal(0, noise, 4), rng.uniform(0.3, 1)))
        truths.append(box[None] if film % 2 else NO_BOXES)
        ranked.append(np.array(seen).reshape(-1, 5))
    return truths, ranked


def test_the_figures_of_a_draw_are_those_of_the_films_drawn():
    """A patient with all films: what is drawn is all films once. Two patients: half of the draws are of one alone."""
    truths, ranked = a_detector(np.random.default_rng(0), 60, 4)
    once = values(truths, ranked)
    of_one = localization_metrics(truths, Detections(ranked, 0.5), SIZE, np.full(60, "one"), draws=10)
    assert of_one["low"].to_dict() == pytest.approx(once)
    groups = np.repeat(["first", "second"], 30)
    of_two = localization_metrics(truths, Detections(ranked, 0.5), SIZE, groups, draws=200)
    halves = [values(truths[part], ranked[part]) for part in (slice(0, 30), slice(30, 60))]
    for name, row in of_two.iterrows():
        assert [row["low"], row["high"]] == pytest.approx(sorted(half[name] for half in halves))


def test_about_nineteen_of_twenty_intervals_hold_the_truth():
    truths, ranked = a_detector(np.random.default_rng(1), 8_000, 4)
    whole = values(truths, ranked)
    inside = dict.fromkeys(whole, 0)
    for start in range(0, 8_000, 200):
        part = slice(start, start + 200)
        table = localization_metrics(truths[part], Detections(ranked[part], 0.5), SIZE, alone(200), draws=250)
        for name, row in table.iterrows():
            inside[name] += row["low"] <= whole[name] <= row["high"]
    assert min(inside.values()) >= 0.87 * 40, inside
    assert 0.92 <= sum(inside.values()) / 40 / len(inside) <= 0.99


def test_films_of_one_patient_are_no_evidence_of_their_own():
    truths, ranked = a_detector(np.random.default_rng(2), 100, 4)
    four = Detections(ranked * 4, 0.5)
    by_patient = localization_metrics(truths * 4, four, SIZE, np.tile(alone(100), 4), draws=500)
    by_film = localization_metrics(truths * 4, four, SIZE, alone(400), draws=500)
    widths = [table["high"] - table["low"] for table in (by_patient, by_film)]
    assert widths[1][["map", "ap_50", "roc_auc"]].tolist() == pytest.approx(
        (widths[0][["map", "ap_50", "roc_auc"]] / 2).tolist(), rel=0.25
    )


def test_the_better_of_two_detectors_is_told():
    truths, close = a_detector(np.random.default_rng(3), 300, 2)
    rng = np.random.default_rng(4)
    rough = [np.column_stack([each[:, :4] + rng.normal(0, 5, (len(each), 4)), each[:, 4]]) for each in close]
    table = localization_difference(truths, Detections(rough, 0.5), Detections(close, 0.5), SIZE, alone(300), draws=500)
    row = table.loc["map"]
    assert row["means"] == "the second is better"
    shown = [[each[each[:, 4] >= 0.5] for each in ranked] for ranked in (rough, close)]
    assert row["difference"] == pytest.approx(
        mean_average_precision(truths, shown[1]) - mean_average_precision(truths, shown[0])
    )
    # Where no confidence changed, neither did how films are ranked.
    assert table.loc["roc_auc", ["difference", "low", "high"]].tolist() == [0, 0, 0]
    assert table.loc["roc_auc", "first"] == roc_auc_score(
        [len(truth) > 0 for truth in truths], [each[:, 4].max(initial=0) for each in close]
    )
