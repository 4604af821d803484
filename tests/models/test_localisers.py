import keras
import numpy as np
import pytest

from pneumonia.annotations.boxes import iou
from pneumonia.errors import UserError
from pneumonia.models.centernet.network import BACKBONES
from pneumonia.models.shared.building import build_network
from pneumonia.models.shared.head import find_head
from pneumonia.training.box_targets import BoxTargets
from pneumonia.training.fitting import _phases
from pneumonia.training.learner import compile_learner, make_learner, plain_inputs

from ..conftest import slow_but

SIZE = 64
NONE = np.empty((0, 4))
ONE, ANOTHER = np.array([[8.0, 12.0, 20.0, 24.0]]), np.array([[30.0, 6.0, 26.0, 18.0]])
TWO = np.array([[36.0, 20.0, 16.0, 28.0], [6.0, 30.0, 20.0, 16.0]])
ON_THE_GRID = [np.array([[16.0, 16.0, 16.0, 32.0]]), np.array([[32.0, 0.0, 32.0, 32.0]])]
BOXES = {
    "resnet_seg": [ON_THE_GRID[0], ON_THE_GRID[1], NONE, ON_THE_GRID[0]],  # its mask has 4 × 4 places at this size
    "centernet": [ONE, TWO, NONE, ANOTHER],
}


def localiser(make_params, name: str, **changes):
    base = {"task": "localize", "model": name, "clean.image_size": SIZE, "train.augmentation.strength": 0}
    narrow = {
        "models.centernet.weights": "random",
        "models.centernet.backbone": "resnet",
        "models.resnet_seg.filters": 8,
    }
    return make_params(base | narrow | {"train.ema": 0} | changes)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet_seg", "centernet"])
def test_a_localiser_learns_boxes_by_heart_and_comes_back_bit_equal(make_params, tmp_path, name):
    keras.utils.set_random_seed(0)
    params, head = localiser(make_params, name), find_head(name)
    network = build_network(params).model
    for layer in network.layers:
        if hasattr(layer, "rate"):
            layer.rate = 0.0
    learner = make_learner(network, params.train, 0, head)
    settings = params.train.model_copy(update={"schedule": "constant", "optimizer": "adam", "weight_decay": 0.0})
    compile_learner(learner, settings, 3e-3, epochs=1, steps=1)
    films = np.random.default_rng(0).integers(0, 255, (4, SIZE, SIZE), dtype=np.uint8)
    targets = BoxTargets(BOXES[name], head, SIZE)(np.arange(4))
    first = next(layer for layer in network.layers if layer.trainable_weights)
    before = first.get_weights()[0]
    for _ in range(150):
        told = learner.train_on_batch(plain_inputs(films), targets, np.ones(4, "float32"), return_dict=True)
    assert abs(first.get_weights()[0] - before).max() > 0
    assert told["auc"] > 0.5
    maps, probability = network(films[..., None], training=True)
    assert (np.array(probability)[:, 0] > 0.5).tolist() == [True, True, False, True]
    for predicted, truth in zip(np.array(maps), BOXES[name], strict=True):
        candidates = head.decode(predicted, SIZE)
        shown = candidates[candidates[:, 4] > 0.5]
        assert len(shown) == len(truth)
        assert not len(truth) or (iou(shown, truth).max(axis=0) > 0.5).all()
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    for one, other in zip(network(films[..., None]), loaded(films[..., None]), strict=True):
        assert np.array_equal(one, other)


def test_a_classifier_of_ones_own_is_where_a_detector_begins(make_params, tmp_path):
    classifier = build_network(make_params({"model": "resnet", "clean.image_size": SIZE})).model
    classifier.save(tmp_path / "classifier.keras")
    path = str(tmp_path / "classifier.keras")
    network = build_network(localiser(make_params, "centernet", **{"models.centernet.weights": path})).model
    films = np.random.default_rng(0).integers(0, 255, (2, SIZE, SIZE, 1), dtype=np.uint8)
    _, probability = network(films)
    assert np.array_equal(probability, classifier(films))
    other = {"models.centernet.weights": path, "models.centernet.backbone": "mobilenet"}
    with pytest.raises(UserError, match="do not fit model centernet: its layer"):
        build_network(localiser(make_params, "centernet", **other))


def test_a_backbone_without_published_weights_starts_at_random_and_its_batch_norms_learn(make_params):
    """In inference mode they would go by statistics of nothing."""
    auto = localiser(make_params, "centernet", **{"models.centernet.weights": "auto"})
    network = build_network(auto)
    assert network.weights == "random"
    assert all(phase.batch_norm_learns for phase in _phases(auto, network))
    with pytest.raises(UserError, match="resnet has no published weights"):
        build_network(localiser(make_params, "centernet", **{"models.centernet.weights": "imagenet"}))


def test_a_backbone_is_one_file_since_its_link_is_what_re_trains_the_detector():
    for link in BACKBONES.glob("*.py"):
        folder = link.resolve().parent
        assert (link.is_symlink(), folder.name) == (True, link.stem)
        assert {file.name for file in folder.glob("*.py")} == {"__init__.py", "network.py"}


@pytest.mark.parametrize(
    "backbone", slow_but(("resnet", "mobilenet_v2"), sorted(file.stem for file in BACKBONES.glob("*.py")))
)
def test_a_detector_stands_on_any_backbone(make_params, backbone):
    size = 128
    params = localiser(make_params, "centernet", **{"models.centernet.backbone": backbone, "clean.image_size": size})
    network = build_network(params).model
    maps, probability = network.output_shape
    assert probability == (None, 1)
    assert maps[1:] == find_head("centernet").targets(NONE, size).shape
    # The heat is of all three levels: what changes the coarsest map changes it.
    levels = [layer for layer in network.layers if layer.name.startswith("lateral_")]
    assert [layer.name for layer in sorted(levels, key=lambda each: -each.input.shape[1])] == [
        "lateral_fine",
        "lateral_middle",
        "lateral_coarse",
    ]
