import json
import time
from zipfile import ZipFile

import keras
import numpy as np

from pneumonia.training.network_file import save_network

from ..small_classifier import brightness_network


def test_a_network_gives_the_same_file_at_another_time_and_it_loads(tmp_path):
    network = brightness_network()
    files = [tmp_path / "first.keras", tmp_path / "second.keras"]
    save_network(network, files[0])
    time.sleep(2.1)  # zip counts in steps of two seconds
    save_network(network, files[1])
    assert files[0].read_bytes() == files[1].read_bytes()
    with ZipFile(files[0]) as content:
        assert "date_saved" not in json.loads(content.read("metadata.json"))
    loaded = keras.saving.load_model(files[0])
    film = np.full((1, *network.input_shape[1:]), 80, "float32")
    assert np.array_equal(loaded.predict(film, verbose=0), network.predict(film, verbose=0))
