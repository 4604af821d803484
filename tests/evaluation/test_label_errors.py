import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from pneumonia.evaluation.label_errors import suspect_labels, wrong_labels
from pneumonia.preparation.folds import folds_of

from ..small_classifier import thorax


def predicted(rows: list[tuple[str, float]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["class", "probability"])
    table["file"] = table["patient"] = [f"{n}.png" for n in range(len(table))]
    return table.assign(label=table["class"].replace("pneumonia", "viral"))


def test_suspects_by_hand():
    rows = [("normal", p) for p in (0.1, 0.2, 0.3, 0.8)] + [("pneumonia", p) for p in (0.9, 0.7, 0.6, 0.2)]
    table = suspect_labels(predicted(rows))
    # Normal counts from a mean of 0.65 on, pneumonia from 0.6 on: films 3 and 7 count to the other class.
    assert table["file"].tolist() == ["3.png", "7.png"]
    assert table["suggested"].tolist() == ["pneumonia", "normal"]
    assert table["margin"].tolist() == pytest.approx([-0.6, -0.6])
    # Of the normal ones 3 count as normal and 1 as sick; of the sick 3 as sick (0.9, 0.7, 0.6) and 1 as normal.
    assert wrong_labels(predicted(rows)) == pytest.approx(4 / 4 + 4 / 4)


def test_of_three_classes_the_likeliest_other_is_suggested():
    table = predicted([("normal", 0.1), ("bacterial", 0.9), ("viral", 0.95), ("viral", 0.9)])
    table["label"] = table["class"]
    table[["probability_normal", "probability_bacterial", "probability_viral"]] = [
        [0.9, 0.05, 0.05],
        [0.1, 0.6, 0.3],
        [0.05, 0.15, 0.8],
        [0.1, 0.7, 0.2],
    ]
    found = suspect_labels(table)
    assert found[["file", "suggested"]].to_numpy().tolist() == [["3.png", "bacterial"]]
    assert found["margin"][0] == pytest.approx(-0.5)


def film(seed: int, sick: bool) -> np.ndarray:
    """A thorax, with an opacity in a lung of the sick; float (24, 24)."""
    pixels = thorax(seed).astype(float)
    rng = np.random.default_rng(seed + 10_000)
    y, x = np.indices(pixels.shape)
    place = rng.uniform(30, 55), rng.choice([27, 69]) + rng.uniform(-4, 4)
    opacity = 80 * np.exp(-(((y - place[0]) / 9) ** 2) - ((x - place[1]) / 9) ** 2)
    return (pixels + opacity * sick).reshape(24, 4, 24, 4).mean(axis=(1, 3))


def test_of_wrong_labels_that_are_planted_most_are_found():
    """5 % of 600 generated films get the other label; a small classifier predicts each out of fold."""
    rng = np.random.default_rng(0)
    sick = np.arange(600) % 2 == 1
    films = np.stack([film(seed, each) for seed, each in enumerate(sick)]).reshape(600, -1)
    planted = rng.permutation(600)[:30]
    labelled = sick.copy()
    labelled[planted] ^= True
    table = predicted([("pneumonia" if each else "normal", np.nan) for each in labelled])
    fold = folds_of(table, 5, seed=0)
    for number in range(5):
        held_out = (fold == number).to_numpy()
        reduce = PCA(40, whiten=True, random_state=0).fit(films[~held_out])
        model = LogisticRegression(C=0.05, max_iter=500).fit(reduce.transform(films[~held_out]), labelled[~held_out])
        table.loc[held_out, "probability"] = model.predict_proba(reduce.transform(films[held_out]))[:, 1]
    accuracy = ((table["probability"] >= 0.5) == sick).mean()
    suspects = suspect_labels(table)
    found = suspects["file"].head(30).isin(table["file"][planted]).sum()
    in_all = suspects["file"].isin(table["file"][planted]).sum()
    print(f"accuracy {accuracy:.3f}; {found} of 30 among the first 30, {in_all} among all {len(suspects)} suspects; ")
    print(f"estimated to be wrong: {wrong_labels(table):.0f}")
    assert accuracy > 0.95  # with which it knows
    assert found >= 24
    assert 15 <= wrong_labels(table) <= 60
