"""Which patients count as seen."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pneumonia.evaluation.home import SALT_CHECK, Home
from pneumonia.inference.familiarity import Familiarity
from pneumonia.preparation.packed.recognition import film_hashes
from pneumonia.radiographs.deidentification import pseudonym
from pneumonia.validation.films import OF_SEEN_PATIENT, FilmsElsewhere, read_films, with_films_that_chose

from ..small_classifier import decision

DECISION = decision()


def home_of(*patients: str) -> Home:
    return Home(
        films=["0" * 16],
        patients=list(patients),
        salt=pseudonym(SALT_CHECK),
        test={},
        stresses={},
        share_sick=0.5,
        unfamiliar=0,
        quantiles={},
        views={},
    )


def itself(name: str) -> str:
    return name


@pytest.mark.parametrize("at_home", [itself, pseudonym], ids=["class folders at home", "a table at home"])
@pytest.mark.parametrize("here", [itself, pseudonym], ids=["class folders here", "a table here"])
def test_a_patient_is_recognised_whether_folders_or_a_table_name_him(
    tmp_path, at_home: Callable[[str], str], here: Callable[[str], str]
):
    rng = np.random.default_rng(0)
    for name in ("seen", "new"):
        Image.fromarray(rng.integers(0, 256, (32, 32), np.uint8)).save(tmp_path / f"{name}.png")
    films = pd.DataFrame({"file": ["seen.png", "new.png"], "label": "normal", "is_named": True})
    films = films.assign(path=[tmp_path / file for file in films["file"]], patient=[here("p1"), here("p2")])
    home = home_of(pseudonym(at_home("p1")))
    zeros, ones = np.zeros((2, 3), np.float32), np.ones((1, 256), np.float32)
    familiarity = Familiarity(zeros, ones[0], ones, np.ones(1, np.float32), np.ones(2, np.float32))
    found = read_films(films, DECISION, familiarity, home, other_patients=False)
    assert found.left_out.to_dict("records") == [{"file": "seen.png", "reason": OF_SEEN_PATIENT}]


def test_films_that_chose_a_decision_and_their_patients_are_known_from_then_on(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32), np.uint8)
    table = pd.DataFrame({"patient": ["p1", "p2", "3.png"], "is_named": [True, True, False]})
    films, home = FilmsElsewhere(table, images, pd.DataFrame(), []), home_of("somebody")
    knows = with_films_that_chose(home, films, np.array([0, 2]))
    assert knows.films == sorted(["0" * 16, *film_hashes(images[[0, 2]])])
    assert knows.patients == sorted(["somebody", pseudonym("p1")])
    monkeypatch.setenv("PNEUMONIA_SALT", "another")
    assert with_films_that_chose(home, films, np.array([0, 2])).patients == ["somebody"]
