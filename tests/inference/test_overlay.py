import numpy as np

from pneumonia.inference.overlay import show_evidence
from pneumonia.inference.predictor import Predictor
from pneumonia.radiographs.read import read_radiograph

from ..small_classifier import localising, png, spot_localiser, spotted, write_classifier


def test_the_boxes_of_a_film_are_drawn_in_place_on_a_smaller_picture_of_it(tmp_path):
    predictor = Predictor.load(write_classifier(tmp_path, spot_localiser(), localising()))
    film = read_radiograph(png(spotted((32, 24, 80, 72, 200), height=192, width=256)))
    [prediction] = predictor.predict_films([film])
    picture = show_evidence(predictor, prediction, film.pixels, film.pixels[::2, ::2]).astype(int)
    assert picture.shape == (96, 128, 3)
    blue = np.argwhere(picture[..., 2] - picture[..., 0] > 100)
    assert (blue.min(axis=0).tolist(), blue.max(axis=0).tolist()) == ([12, 16], [48, 56])
