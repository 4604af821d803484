from pathlib import Path

import keras
import numpy as np
import pytest

from pneumonia.errors import UserError
from pneumonia.inference.decision import Abstention, Decision
from pneumonia.inference.familiarity import Familiarity
from pneumonia.inference.predictor import BATCH, Prediction, Predictor
from pneumonia.radiographs.radiograph import UnreadableRadiograph
from pneumonia.radiographs.read import read_radiograph, resize

from ..small_classifier import (
    SIZE,
    brightness_network,
    constant_network,
    decision,
    png,
    predictor_of,
    thorax,
    write_classifier,
)


def grey(level: int) -> bytes:
    """A film of one mean grey that is not constant: half of it 10 darker, half 10 brighter."""
    film = np.full((SIZE, SIZE), level - 10, np.uint8)
    film[:, SIZE // 2 :] = level + 10
    return png(film)


@pytest.fixture(scope="module")
def familiarity(tmp_path_factory: pytest.TempPathFactory) -> Familiarity:
    return Familiarity.load(
        write_classifier(tmp_path_factory.mktemp("any"), brightness_network(), decision()) / "familiarity.npz"
    )


def test_the_probability_is_the_calibrated_one_and_the_label_follows_the_threshold(familiarity: Familiarity) -> None:
    # Mean grey 204 is p = 0.8; at T = 2: sqrt(0.8) / (sqrt(0.8) + sqrt(0.2)) = 2 / 3. Grey 51 is p = 0.2, so 1 / 3.
    for threshold, labels in ((0.66, ["pneumonia", "normal"]), (0.67, ["normal", "normal"])):
        predictor = predictor_of(brightness_network(), decision(temperature=2, threshold=threshold), familiarity)
        predictions = predictor.predict_films([read_radiograph(grey(204)), read_radiograph(grey(51))])
        assert [prediction.label for prediction in predictions] == labels
        assert [prediction.probability for prediction in predictions] == pytest.approx([2 / 3, 1 / 3], abs=1e-5)
        assert predictions[0].probabilities == pytest.approx({"normal": 1 / 3, "pneumonia": 2 / 3}, abs=1e-5)
        assert predictions[0].threshold == threshold


def test_of_three_classes_the_sick_ones_count_together(familiarity: Familiarity) -> None:
    network, film = constant_network([0.4, 0.25, 0.35]), read_radiograph(grey(100))
    for threshold, label in ((0.59, "viral"), (0.61, "normal")):
        predictor = predictor_of(network, decision("multiclass", threshold=threshold), familiarity)
        (prediction,) = predictor.predict_films([film])
        assert (prediction.label, prediction.probability) == (label, pytest.approx(0.6, abs=1e-5))
        assert prediction.probabilities == pytest.approx({"normal": 0.4, "bacterial": 0.25, "viral": 0.35}, abs=1e-5)


def test_any_number_of_films_in_their_order_with_the_broken_among_them(
    familiarity: Familiarity, tmp_path: Path
) -> None:
    predictor = predictor_of(brightness_network(), decision(), familiarity)
    levels = [20 + number % 200 for number in range(5 * BATCH + 1)]
    sources: list[Path | bytes] = [grey(level) for level in levels]
    sources[3], sources[40] = b"", tmp_path / "absent.png"
    (tmp_path / "film.png").write_bytes(grey(levels[7]))
    sources[7] = tmp_path / "film.png"
    predictions = list(predictor.predict_files(iter(sources)))
    assert [str(predictions[3]), str(predictions[40])] == ["empty", "missing"]
    for level, prediction in zip(levels, predictions, strict=True):
        if isinstance(prediction, Prediction):
            assert prediction.probability == pytest.approx(level / 255, abs=1e-5)
        else:
            assert isinstance(prediction, UnreadableRadiograph)
    assert sum(isinstance(prediction, Prediction) for prediction in predictions) == len(levels) - 2
    assert list(predictor.predict_files([])) == []
    assert next(predictor.predict_files([b""])).args == ("empty",)


def test_one_film_and_the_same_among_many_get_the_same_prediction(familiarity: Familiarity) -> None:
    predictor = predictor_of(brightness_network(), decision(), familiarity)
    films = [png(thorax(seed)) for seed in range(5)]
    together = list(predictor.predict_files(films))
    alone = [next(predictor.predict_files([film])) for film in films]
    for one, other in zip(together, alone, strict=True):
        assert one.probability == pytest.approx(other.probability, abs=1e-6)
    assert predictor.predict_films([read_radiograph(films[0])])[0] == alone[0]


def test_films_are_resized_as_clean_does(familiarity: Familiarity) -> None:
    predictor = predictor_of(brightness_network(), decision(), familiarity)
    film = thorax(0, size=301)
    (prediction,) = predictor.predict_files([png(film)])
    assert prediction.probability == pytest.approx(resize(film, SIZE).mean() / 255, abs=1e-5)


def test_what_clean_rejects_is_refused(familiarity: Familiarity) -> None:
    predictor = predictor_of(brightness_network(), decision(), familiarity)
    small, constant = png(thorax(0, size=27)), png(np.full((40, 40), 7, np.uint8))
    reasons = [str(prediction) for prediction in predictor.predict_files([small, constant])]
    assert reasons == ["too small: 27 x 27 pixels", "constant: every pixel is 7"]
    with pytest.raises(UnreadableRadiograph, match="too small"):
        predictor.predict_films([read_radiograph(small)])


def test_a_strange_film_is_predicted_with_a_remark(familiarity: Familiarity) -> None:
    predictor = predictor_of(brightness_network(), decision(), familiarity)
    upright, turned = thorax(1000), np.rot90(thorax(1000)).copy()
    remarks = [prediction.remark for prediction in predictor.predict_files([png(upright), png(turned)])]
    assert remarks[0] == ""
    assert "unlike the training films" in remarks[1]


def test_loaded_again_it_predicts_the_same(tmp_path: Path) -> None:
    write_classifier(tmp_path, brightness_network(), decision(temperature=2))
    (prediction,) = Predictor.load(tmp_path).predict_files([grey(204)])
    assert prediction.probability == pytest.approx(2 / 3, abs=1e-5)


def test_what_cannot_be_loaded_is_one_line(tmp_path: Path) -> None:
    write_classifier(tmp_path, brightness_network(), decision())
    network = (tmp_path / "model.keras").read_bytes()
    keras.Sequential([keras.Input((32, 32, 1)), keras.layers.GlobalAveragePooling2D()]).save(tmp_path / "model.keras")
    with pytest.raises(UserError, match=r"model\.keras: takes \(32, 32, 1\) and gives \(1,\), decision\.json is for"):
        Predictor.load(tmp_path)
    (tmp_path / "model.keras").write_bytes(network[:1000])
    with pytest.raises(UserError, match=r"model\.keras: cannot be read as a \.keras file") as caught:
        Predictor.load(tmp_path)
    assert "\n" not in str(caught.value)
    good = (tmp_path / "decision.json").read_text()
    for old, new, said in (
        ('"threshold": 0.5', '"threshold": 1.5', "threshold is '1.5'"),
        ('"temperature": 1.0', '"temperature": 0', "temperature is '0'"),
        ('"task": "binary"', '"task": "multiclass"', "those of multiclass are"),
        ('"rule"', '"rules"', "rule"),
        ("{", "", "JSON"),
    ):
        (tmp_path / "decision.json").write_text(good.replace(old, new))
        with pytest.raises(UserError, match=said) as caught:
            Decision.load(tmp_path / "decision.json")
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"absent\.json: cannot be read"):
        Decision.load(tmp_path / "absent.json")


def test_a_film_in_the_band_or_unlike_the_training_films_is_uncertain_where_the_decision_says_so(
    familiarity: Familiarity,
) -> None:
    films = [read_radiograph(grey(level)) for level in (51, 140, 204)]  # p is 0.2, 0.55, 0.8
    # A film of two greys is no thorax, so each has a remark.
    for unfamiliar, labels in ((False, ["normal", "uncertain", "pneumonia"]), (True, ["uncertain"] * 3)):
        band = Abstention(low=0.4, high=0.6, unfamiliar=unfamiliar, rule="by hand")
        chosen = decision().model_copy(update={"abstention": band})
        predictions = predictor_of(brightness_network(), chosen, familiarity).predict_films(films)
        assert [prediction.label for prediction in predictions] == labels
        assert predictions[1].probability == pytest.approx(140 / 255, abs=1e-5)
        assert predictions[0].uncertain == (0.4, 0.6)
    [answered] = predictor_of(brightness_network(), decision(), familiarity).predict_films(films[1:2])
    assert (answered.label, answered.uncertain) == ("pneumonia", None)
