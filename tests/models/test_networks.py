import keras
import numpy as np
import pytest

from pneumonia.errors import UserError
from pneumonia.evaluation.receptive_field import summary
from pneumonia.models.alexnet import network as alexnet
from pneumonia.models.cnn import network as cnn
from pneumonia.models.googlenet import network as googlenet
from pneumonia.models.shared.building import build_network
from pneumonia.models.shared.ends import STANDARDISED, film_input, probabilities
from pneumonia.models.shared.head import find_head
from pneumonia.params.choices import network, networks
from pneumonia.training.learner import compile_learner, make_learner, plain_inputs

from ..conftest import slow_but

SMALLEST = {"cnn": 64, "resnet": 32, "alexnet": 67, "googlenet": 80, "inception": 75}
"""Pixels a side; 32 for the others."""
CLASSIFIERS = [name for name in networks() if not find_head(name)]
APPLICATIONS = [name for name in CLASSIFIERS if network(name).Settings.published]


def tiny(make_params, name: str, **changes):
    """Parameters for `name` from random weights at the smallest size at which its feature map has a centre."""
    base = {"model": name, "clean.image_size": SMALLEST.get(name, 32), f"models.{name}.weights": "random"}
    still = {"train.augmentation.strength": 0, "train.mixup": 0, "train.ema": 0, "train.label_smoothing": 0}
    narrow = {"models.mobilenet_v2.alpha": 0.35}
    return make_params(base | still | narrow | changes)


@pytest.fixture
def restored_policy():
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


def count(weights) -> int:
    return sum(int(np.prod(weight.shape)) for weight in weights)


def test_cnn_has_the_published_parameters():
    network = cnn.build(None, 299, 1, weights=None)
    assert network.count_params() == 1_321_953
    assert count(network.trainable_weights) == 1_319_329
    by_kind = [layer.count_params() for layer in network.layers if layer.count_params()]
    assert by_kind[:2] == [448, 2_320]
    assert by_kind[-1] == 65
    assert network.layers[-1].output.shape == (None, 1)
    assert network.get_layer("flatten").input.shape == (None, 4, 4, 128)


def test_alexnet_and_googlenet_have_the_published_parameters(make_params):
    assert alexnet.build(None, 227, 1000, weights=None).count_params() == 60_965_224
    heads = make_params().models.googlenet
    without = googlenet.build(heads.model_copy(update={"auxiliary_heads": False}), 224, 1000, weights=None)
    assert without.count_params() == 6_998_552
    assert len(googlenet.build(heads, 224, 1000, weights=None).outputs) == 3


@pytest.mark.parametrize(
    ("name", "parameters"),
    [  # of keras.applications without top, https://keras.io/api/applications, and the head's weights and bias
        ("resnet50", 23_587_712 + 2_048 + 1),
        ("vgg19", 20_024_384 + 512 + 1),
        ("inception", 21_802_784 + 2_048 + 1),
        ("mobilenet", 3_228_864 + 1_024 + 1),
        ("mobilenet_v2", 410_208 + 1_280 + 1),
        ("densenet121", 7_037_504 + 1_024 + 1),
        ("efficientnet", 5_919_312 + 1_280 + 1),
        ("efficientnet_lite", 4_694_024 - 1_281_000 + 1_280 + 1),
        ("convnext", 27_820_128 + 768 + 1),
    ],
)
def test_an_application_is_the_published_one_in_one_flat_graph(make_params, name, parameters):
    params = tiny(make_params, name)
    network = build_network(params).model
    assert network.count_params() == parameters
    assert not any(isinstance(layer, keras.Model) for layer in network.layers)
    first = params.chosen_model.fine_tune_from
    assert first is None or network.get_layer(first)


@pytest.mark.parametrize(("name", "field"), [("alexnet", 195), ("vgg19", 268), ("mobilenet", 315), ("inception", 1311)])
def test_receptive_fields_are_the_published_ones(make_params, name, field):
    """Araujo, Norris, Sim, Computing Receptive Fields of Convolutional Neural Networks, Distill 2019."""
    network = build_network(tiny(make_params, name, **{"clean.image_size": 227})).model
    assert summary(network)[2:] == (field, 32)


def cut_down(network: keras.Model, last: str | None) -> keras.Model:
    """`network` up to its layer `last`, with a head of its own: what follows is more of the same."""
    if last is None:
        return network
    x = keras.layers.GlobalAveragePooling2D()(network.get_layer(last).output)
    return keras.Model(network.input, probabilities(x, 3))


LAST = {
    "googlenet": "4a",
    "resnet50": "conv3_block1_out",
    "vgg19": "block2_pool",
    "inception": "mixed1",
    "mobilenet": "conv_pw_3_relu",
    "mobilenet_v2": "block_3_project_BN",
    "densenet121": "conv3_block2_concat",
    "efficientnet": "block4b_add",
    "efficientnet_lite": "block4b_add",
    "convnext": "convnext_tiny_stage_1_block_0_identity",
}
"""The last layer that is tried of a network which is not tried as a whole: what follows is more of the same."""


@pytest.mark.parametrize("name", slow_but(("cnn", "mobilenet_v2"), CLASSIFIERS))
def test_a_network_learns_four_films_by_heart_and_comes_back_bit_equal(make_params, tmp_path, name):
    """From the film to the loss and back: gradients reach the first layer, the loss goes to nothing."""
    keras.utils.set_random_seed(0)
    params = tiny(make_params, name, task="multiclass")
    network = cut_down(build_network(params).model, LAST.get(name))
    for layer in network.layers:  # nothing left to chance
        for rate in ("rate", "drop_path_rate"):
            if hasattr(layer, rate):
                setattr(layer, rate, 0.0)
    learner = make_learner(network, params.train, 0)
    settings = params.train.model_copy(update={"schedule": "constant", "optimizer": "adam", "weight_decay": 0.0})
    compile_learner(learner, settings, {"alexnet": 1e-4}.get(name, 3e-3), epochs=1, steps=1)
    size = params.clean.image_size
    films = np.random.default_rng(0).integers(0, 255, (4, size, size), dtype=np.uint8)
    targets = np.eye(3, dtype="float32")[[0, 1, 2, 0]]
    first = next(layer for layer in network.layers if layer.trainable_weights)
    before = first.get_weights()[0]
    losses = []
    while len(losses) < 200 and (not losses or losses[-1] > 0.05):
        losses.append(float(learner.train_on_batch(plain_inputs(films), targets, return_dict=True)["loss"]))
        learner.reset_metrics()
        assert abs(first.get_weights()[0] - before).max() > 0
    assert losses[-1] < 0.05 < losses[0]
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    for one, other in zip(
        keras.tree.flatten(network(films[..., None])), keras.tree.flatten(loaded(films[..., None])), strict=True
    ):
        assert np.array_equal(one, other)
        assert one.shape == (4, 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("cnn", lambda grey: grey / 255),
        ("resnet", lambda grey: grey / 255),
        ("alexnet", lambda grey: grey - 127.5),
        ("googlenet", lambda grey: grey / 127.5 - 1),
        ("resnet50", keras.applications.resnet50.preprocess_input),
        ("vgg19", keras.applications.vgg19.preprocess_input),
        ("inception", keras.applications.inception_v3.preprocess_input),
        ("mobilenet", keras.applications.mobilenet.preprocess_input),
        ("mobilenet_v2", keras.applications.mobilenet_v2.preprocess_input),
        ("densenet121", keras.applications.densenet.preprocess_input),
        ("efficientnet_lite", lambda grey: grey / 127.5 - 1),
        # These two have it in their graph, and ours leaves it out.
        ("efficientnet", lambda grey: keras.applications.imagenet_utils.preprocess_input(grey, mode="torch")),
        ("convnext", lambda grey: keras.applications.imagenet_utils.preprocess_input(grey, mode="torch")),
    ],
)
def test_grey_values_reach_the_network_on_the_scale_of_its_weights(make_params, name, published):
    network = build_network(tiny(make_params, name, **{"clean.image_size": 96})).model
    seen = keras.Model(network.input, network.get_layer("three_channels").output)
    film = np.random.default_rng(0).integers(0, 256, (1, 96, 96, 1)).astype("float32")
    wanted = np.array(published(np.repeat(film, 3, axis=-1)))
    assert seen.predict(film, verbose=0) == pytest.approx(wanted, abs=1e-3)


@pytest.mark.slow
def test_mixed_precision_scales_the_film_in_float32(restored_policy):
    """In bfloat16 the factor alone is 0.4 % off."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    network = cnn.build(None, 64, 1, weights=None)
    film = np.arange(64 * 64, dtype="float32").reshape(1, 64, 64, 1) % 256
    [scaled] = keras.Model(network.input, network.get_layer("scaled_0").output).predict(film, verbose=0)
    assert scaled == pytest.approx(film[0] / 255, rel=1e-6)


def test_convnext_taken_apart_computes_what_it_did(make_params):
    params = tiny(make_params, "convnext")
    keras.utils.set_random_seed(0)
    network = build_network(params).model
    keras.utils.set_random_seed(0)
    _, channels = film_input(32, STANDARDISED)
    nested = keras.applications.ConvNeXtTiny(
        include_top=False, weights=None, input_tensor=channels, include_preprocessing=False
    )
    grey = np.random.default_rng(0).integers(0, 255, (2, 32, 32, 1)).astype("float32")
    ours = keras.Model(network.input, network.get_layer("head_pool").input)
    assert abs(np.array(nested(grey))).max() > 0.1
    assert np.array_equal(np.array(ours(grey)), np.array(nested(grey)))


@pytest.mark.slow
def test_what_is_kept_of_googlenet_loads_into_it_again(make_params, tmp_path):
    network = build_network(tiny(make_params, "googlenet")).model
    kept = keras.Model(network.input, network.get_layer("probability").output)
    kept.save(tmp_path / "own.keras")
    kept.save_weights(tmp_path / "own.weights.h5")
    for file in ("own.keras", "own.weights.h5"):
        again = build_network(
            tiny(make_params, "googlenet", **{"models.googlenet.weights": str(tmp_path / file)})
        ).model
        for name in ("conv1", "5b_3x3", "probability"):
            one, other = network.get_layer(name).get_weights(), again.get_layer(name).get_weights()
            assert all(map(np.array_equal, one, other)), name


@pytest.mark.parametrize(
    ("name", "size", "least"), [("cnn", 63, 64), ("inception", 64, 75), ("alexnet", 66, 67), ("googlenet", 79, 80)]
)
def test_films_that_are_too_small_are_an_error_that_says_from_which_size(make_params, name, size, least):
    with pytest.raises(UserError, match=rf"clean.image_size {size}: .*{least}"):
        build_network(make_params({"model": name, "clean.image_size": size, f"models.{name}.weights": "random"}))


def test_weights_of_the_users_own_load_from_either_format(make_params, tmp_path):
    trained = build_network(make_params({"clean.image_size": 64})).model
    for file in ("own.keras", "own.weights.h5"):
        path = tmp_path / file
        trained.save(path) if file == "own.keras" else trained.save_weights(path)
        network = build_network(make_params({"clean.image_size": 64, "models.cnn.weights": str(path)}))
        assert network.weights == str(path)
        for mine, theirs in zip(network.model.get_weights(), trained.get_weights(), strict=True):
            assert np.array_equal(mine, theirs)


def test_a_file_that_does_not_fit_says_which_layer_and_why(make_params, tmp_path):
    own = build_network(make_params({"clean.image_size": 128})).model
    other = build_network(tiny(make_params, "resnet")).model
    for name in ("own.weights.h5", "own.keras", "other.weights.h5", "other.keras"):
        model = own if name.startswith("own") else other
        model.save(tmp_path / name) if name.endswith(".keras") else model.save_weights(tmp_path / name)
        with pytest.raises(UserError) as error:
            build_network(make_params({"clean.image_size": 64, "models.cnn.weights": str(tmp_path / name)}))
        if model is own:  # a smaller film leaves the first dense layer less to look at
            told = "model cnn: its layer 'dense1' has weights of shapes 128×512, 512, the file's 'dense1' 512×512"
        else:
            told = "model cnn: its layer 'block1_conv1' has weights of shapes 3×3×3×16, 16, the file's"
        assert told in str(error.value)
        assert "\n" not in str(error.value)


def test_a_file_with_fewer_layers_names_the_first_that_is_missing(make_params, tmp_path):
    network = build_network(make_params({"clean.image_size": 64})).model
    headless = keras.Model(network.input, network.get_layer("dense3_dropout").output)
    headless.save(tmp_path / "own.keras")
    with pytest.raises(UserError, match=r"has \d+ layers with weights, the file \d+; .*'probability'"):
        build_network(make_params({"clean.image_size": 64, "models.cnn.weights": str(tmp_path / "own.keras")}))


def test_weights_that_are_not_there_or_no_weights_are_one_line(make_params, tmp_path):
    (tmp_path / "text.keras").write_text("no model")
    (tmp_path / "text.weights.h5").write_text("no model")
    for file, told in [
        ("absent.keras", "no such file"),
        ("text.keras", "cannot be read"),
        ("text.weights.h5", "cannot"),
    ]:
        params = make_params({"clean.image_size": 64, "models.cnn.weights": str(tmp_path / file)})
        with pytest.raises(UserError, match=told) as error:
            build_network(params)
        assert "\n" not in str(error.value)


def test_without_weights_auto_says_loudly_that_it_starts_at_random_and_imagenet_fails(
    make_params, monkeypatch, tmp_path, caplog
):
    """An address that nobody listens on stands for a machine without a network."""
    monkeypatch.setattr(keras.src.applications.inception_v3, "WEIGHTS_PATH_NO_TOP", "http://127.0.0.1:9/none.h5")
    monkeypatch.setattr(keras.src.backend.config, "_KERAS_DIR", str(tmp_path))  # KERAS_HOME, which is read at import
    params = {"model": "inception", "clean.image_size": 75}
    network = build_network(make_params(params))
    assert network.weights == "random"
    assert "NO PRETRAINED WEIGHTS" in caplog.text
    with pytest.raises(UserError, match=r"weights is imagenet, but .* it may be auto, random or a path"):
        build_network(make_params({**params, "models.inception.weights": "imagenet"}))
