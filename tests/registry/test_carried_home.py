"""What a version carries of its home: which films and patients it has seen, and figures that can be read again."""

from pathlib import Path

import numpy as np
import pandas as pd

from pneumonia.evaluation.home import HOME, Home
from pneumonia.evaluation.outcome import Evaluation
from pneumonia.inference.familiarity import Familiarity
from pneumonia.preparation.packed.recognition import film_hashes
from pneumonia.radiographs.deidentification import pseudonym
from pneumonia.registry.carried_home import add_home

from ..small_classifier import decision

PARTS = ["train", "train", "val", "test", "excluded"]
DECISION = decision()


def carried(root: Path, patients: list[str], intervals: list[tuple[str, float]] = ()) -> tuple[Home, np.ndarray]:
    """What is carried of five films, one in each of `PARTS`, as merged sources lay them; and the films."""
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32), np.uint8)
    clean = root / "clean"
    clean.mkdir()
    np.save(clean / "images.npy", images)
    films = pd.DataFrame(
        {
            "image": range(5),
            "file": [f"north/images/{number}.png" for number in range(5)],
            "patient": patients,
            "class": ["normal", "pneumonia", "normal", "pneumonia", "normal"],
            "part": PARTS,
        }
    )
    films.to_csv(root / "split.csv", index=False)
    views = ["PA", "AP", "AP", "AP", "AP"]
    films[["file", "patient"]].assign(width=32, height=32, view=views).to_csv(clean / "index.csv", index=False)
    zeros, ones = np.zeros((2, 3), np.float32), np.ones((1, 256), np.float32)
    familiarity = Familiarity(zeros, ones[0], ones, np.ones(1, np.float32), np.ones(2, np.float32))
    familiarity.save(root / "familiarity.npz")
    metrics = pd.DataFrame(intervals, columns=["metric", "value"])
    sure = metrics.assign(part="test", low=metrics["value"], high=metrics["value"])
    stressed = pd.DataFrame(
        {"films": ["as it is", "dark"], "roc_auc": [np.nan, 0.9], "sensitivity": [1, 0.5], "specificity": [1, 0.5]}
    )
    add_home(Evaluation({}, DECISION, pd.DataFrame(), sure, pd.DataFrame(), [], stressed), root, root)
    return Home.load(root / HOME), images


def test_patients_of_merged_sources_are_known_by_what_their_own_source_calls_them(tmp_path):
    home, _ = carried(tmp_path, ["north/p1", "north/p1", "north/p2", "north/p3", "north/p4"])
    assert home.patients == sorted([pseudonym("p1"), pseudonym("p2")])


def test_films_that_no_part_has_count_as_not_seen(tmp_path):
    home, images = carried(tmp_path, [f"p{number}" for number in range(5)])
    assert home.films == sorted(film_hashes(images[:3]))
    assert pseudonym("p4") not in home.patients


def test_the_views_at_home_are_those_of_the_training_films(tmp_path):
    home, _ = carried(tmp_path, [f"p{number}" for number in range(5)])
    assert home.views == {"PA": 0.5, "AP": 0.5}


def test_figures_that_are_no_numbers_are_left_out_and_the_rest_can_be_read(tmp_path):
    home, _ = carried(tmp_path, [f"p{number}" for number in range(5)], [("roc_auc", np.nan), ("sensitivity", 0.5)])
    assert list(home.test) == ["sensitivity"]
    assert list(home.stresses) == ["dark"]
