import math
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest

from pneumonia.errors import UserError
from pneumonia.models.shared.building import build_network
from pneumonia.params.load import load_params
from pneumonia.training.fitting import Phase, freeze, set_initial_bias, train
from pneumonia.training.history import plateaus

from ..conftest import write_params


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """24 films to draw, every third of them normal."""
    names = ["normal" if number % 3 == 0 else "pneumonia" for number in range(24)]
    return pd.DataFrame({"image": range(24), "class": names, "draws": 1, "augment": False, "weight": 1.0})


@pytest.fixture(scope="module")
def images(rows) -> np.ndarray:
    """64 × 64 noise, with a bright square on pneumonia; the last eight films are for validation."""
    films = np.random.default_rng(0).integers(0, 120, (32, 64, 64), dtype=np.uint8)
    films[classes() == 1, 20:44, 20:44] += 100
    return films


def classes() -> np.ndarray:
    return (np.arange(32) % 3 != 0).astype(int)


SMALL = {"clean.image_size": 64, "train.epochs": 2, "train.batch_size": 8, "train.precision": "float32"}


def fit(params, images, rows, on_epoch=lambda state: None, resumed=None):
    return train(params, images, rows, (np.arange(24, 32), classes()[24:]), on_epoch, resumed)


@pytest.fixture(scope="module")
def first_training(tmp_path_factory, images, rows):
    """A short training, and the states that it told."""
    told = []
    params = load_params(write_params(tmp_path_factory.mktemp("first") / "params.yaml", SMALL))
    return fit(params, images, rows, told.append), told


def test_the_same_seed_gives_the_same_history_and_model(make_params, images, rows, first_training):
    first, again = first_training[0], fit(make_params(SMALL), images, rows)
    measured = first.history.columns.drop("seconds")
    assert first.history[measured].equals(again.history[measured])
    for one, other in zip(first.model.get_weights(), again.model.get_weights(), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.slow
def test_the_sums_of_gradients_do_not_depend_on_which_thread_was_first(make_params):
    """Six steps of films large enough for TensorFlow's memory optimiser, which looks only at shapes that it knows."""
    params = make_params(SMALL | {"clean.image_size": 128, "train.epochs": 2, "train.batch_size": 32})
    films = np.random.default_rng(0).integers(0, 256, (104, 128, 128), dtype=np.uint8)
    names = np.where(np.arange(96) % 3 == 0, "normal", "pneumonia")
    rows = pd.DataFrame({"image": range(96), "class": names, "draws": 1, "augment": True, "weight": 1.0})
    val = np.arange(96, 104), np.arange(8) % 2
    first, *others = (train(params, films, rows, val, lambda state: None).model.get_weights() for _ in range(3))
    for again in others:
        assert all(map(np.array_equal, first, again))


@pytest.mark.slow
def test_another_seed_gives_another_model(make_params, images, rows, first_training):
    other = fit(make_params(SMALL | {"seed": 1, "train.epochs": 1}), images, rows)
    assert first_training[0].history["loss"][0] != other.history["loss"][0]


def test_each_epoch_is_told_while_training_goes_on(first_training):
    trained, told = first_training
    assert [len(state.rows) for state in told] == [1, 2]
    assert pd.DataFrame(told[-1].rows).equals(trained.history)
    assert {"loss", "auc", "val_loss", "val_auc", "learning_rate", "seconds"} <= set(trained.history)


def test_the_best_epoch_is_kept_not_the_last(make_params, images, rows):
    """With this rate the loss goes up and down, so that the best epoch is not the last."""
    settings = SMALL | {"train.epochs": 7, "train.learning_rate": 0.02, "train.schedule": "constant"}
    trained = fit(make_params(settings), images, rows)
    best = trained.history["val_loss"].idxmin()
    assert best != len(trained.history) - 1
    probability = trained.model.predict(images[24:, ..., None], verbose=0)
    truth = classes()[24:, None].astype("float32")
    loss = float(np.mean(keras.losses.binary_crossentropy(truth, probability)))
    assert loss == pytest.approx(trained.history["val_loss"][best], rel=1e-4)


@pytest.mark.slow
def test_early_stopping_waits_as_long_as_it_is_told(make_params, images, rows):
    settings = SMALL | {"train.epochs": 30, "train.patience": 1, "train.learning_rate": 0.05}
    trained = fit(make_params(settings), images, rows)
    val_loss = trained.history["val_loss"]
    assert len(val_loss) < 30
    assert val_loss.iloc[-1] >= val_loss.iloc[:-1].min()


def test_the_output_starts_at_the_share_of_pneumonia_that_the_loss_sees(make_params, rows):
    network = build_network(make_params(SMALL)).model
    set_initial_bias(network, rows, ["normal", "pneumonia"])
    assert np.array(network.get_layer("probability").bias) == pytest.approx(math.log(16 / 8))
    weighted = rows.assign(weight=rows["class"].map({"normal": 1.5, "pneumonia": 0.75}))
    set_initial_bias(network, weighted, ["normal", "pneumonia"])
    assert np.array(network.get_layer("probability").bias) == pytest.approx(0, abs=1e-6)


def test_with_three_classes_the_output_starts_at_their_shares(make_params, rows):
    network = build_network(make_params(SMALL | {"task": "multiclass"})).model
    names = rows["class"].replace("pneumonia", "bacterial")
    names[:4] = "viral"
    set_initial_bias(network, rows.assign(**{"class": names}), ["normal", "bacterial", "viral"])
    bias = np.array(network.get_layer("probability").bias)
    assert np.exp(bias) == pytest.approx([6 / 24, 14 / 24, 4 / 24])


@pytest.mark.slow
def test_three_classes_are_learnt_like_two(make_params, images, rows):
    """Normal films are plain, bacterial ones have a square in the middle, viral ones one in a corner."""
    three = np.array(["normal", "bacterial", "viral"])[np.arange(24) % 3]
    films = np.full((32, 64, 64), 60, np.uint8)
    films[1::3, 20:44, 20:44] += 150
    films[2::3, :20, :20] += 150
    changes = {"task": "multiclass", "model": "resnet", "train.epochs": 12, "train.mixup": 0.2, "train.cutmix": 1.0}
    changes |= {"train.augmentation.strength": 0, "train.monitor": "val_auc", "train.ema": 0}
    params = make_params(SMALL | changes)
    val = np.arange(24, 32), np.arange(24, 32) % 3
    trained = train(params, films, rows.assign(**{"class": three}), val, lambda state: None)
    assert trained.history["val_auc"].max() == pytest.approx(1, abs=0.01)
    predicted = trained.model.predict(films[24:, ..., None], verbose=0)
    assert predicted.shape == (8, 3)
    assert predicted.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_only_the_layers_from_the_named_one_on_learn_and_no_batch_norm(make_params):
    network = build_network(make_params(SMALL)).model
    freeze(network, Phase("", 1, 0.1, "dense2", batch_norm_learns=False))
    learning = [layer.name for layer in network.layers if layer.trainable_weights]
    assert learning == ["dense2", "dense3", "probability"]
    freeze(network, Phase("", 1, 0.1, None, batch_norm_learns=True))
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(network.non_trainable_weights) == 2 * len(norms)
    with pytest.raises(UserError, match=r"no layer 'dense9'; it may be dense\d, "):
        freeze(network, Phase("", 1, 0.1, "dense9", batch_norm_learns=False))


@pytest.mark.slow
def test_batch_norm_stays_as_it_was_while_all_layers_are_fine_tuned(make_params, images, rows, tmp_path):
    base = {"model": "mobilenet_v2", "models.mobilenet_v2.alpha": 0.35, "train.epochs": 1, "train.ema": 0}
    base |= {"models.mobilenet_v2.head_epochs": 1, "models.mobilenet_v2.weights": "random"}
    start = build_network(make_params(SMALL | base)).model
    start.save_weights(tmp_path / "own.weights.h5")
    own = {"models.mobilenet_v2.weights": str(tmp_path / "own.weights.h5")}
    trained = fit(make_params(SMALL | base | own), images, rows)
    assert trained.history["phase"].tolist() == [1, 2]
    for before, after in zip(start.layers, trained.model.layers, strict=True):
        same = [np.array_equal(*pair) for pair in zip(before.get_weights(), after.get_weights(), strict=True)]
        assert all(same) if isinstance(before, keras.layers.BatchNormalization) else not any(same), before.name


@pytest.mark.slow
def test_a_network_with_weights_trains_its_head_first_and_then_from_the_named_layer(
    make_params, images, rows, tmp_path
):
    base = {"model": "mobilenet_v2", "models.mobilenet_v2.alpha": 0.35, "train.epochs": 1}
    base |= {"models.mobilenet_v2.head_epochs": 1, "models.mobilenet_v2.weights": "random"}
    start = build_network(make_params(SMALL | base)).model
    start.save_weights(tmp_path / "own.weights.h5")
    own = {"models.mobilenet_v2.weights": str(tmp_path / "own.weights.h5")}
    own["models.mobilenet_v2.fine_tune_from"] = "block_15_expand"
    states = []
    trained = fit(make_params(SMALL | base | own), images, rows, states.append)
    assert trained.history["phase"].tolist() == [1, 2]

    def changed(after):
        pairs = zip(start.layers, after.layers, strict=True)
        return [
            one.name for one, other in pairs if not all(map(np.array_equal, one.get_weights(), other.get_weights()))
        ]

    assert changed(trained.model)[0] in ("block_15_expand", "probability")  # which epoch was better
    start.set_weights(states[0].best)
    assert changed(build_network(make_params(SMALL | base | own)).model) == ["probability"]


@pytest.mark.slow
def test_mixed_precision_trains_and_the_model_that_is_kept_computes_in_float32(make_params, images, rows, tmp_path):
    trained = fit(make_params(SMALL | {"train.precision": "bfloat16"}), images, rows)
    assert {layer.dtype_policy.name for layer in trained.model.layers} == {"float32"}
    trained.model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    film = images[:4, ..., None]
    assert np.array_equal(loaded.predict(film, verbose=0), trained.model.predict(film, verbose=0))


@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops_with_what_to_try(make_params, images, rows):
    rows = rows.assign(weight=math.nan)
    with pytest.raises(
        UserError, match=r"^the loss was nan in epoch 1, begun at .*try a smaller train.learning_rate"
    ) as told:
        fit(make_params(SMALL), images, rows)
    assert "clip_norm" not in str(told.value)  # it is set already


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "schedule", "loss"),
    [
        ("rmsprop", "plateau", "focal"),
        ("nadam", "constant", "focal"),
        ("lion", "cosine", "cross_entropy"),
    ],
)
def test_other_optimizers_and_schedules_move_the_weights(make_params, images, rows, optimizer, schedule, loss):
    changes = {"train.optimizer": optimizer, "train.schedule": schedule, "train.loss": loss, "train.epochs": 1}
    params = make_params(SMALL | changes | {"train.label_smoothing": 0.1, "train.weight_decay": 0.01})
    trained = fit(params, images, rows)
    keras.utils.set_random_seed(params.seed)
    untrained = build_network(params).model.get_layer("block1_conv1").get_weights()[0]
    assert not np.array_equal(untrained, trained.model.get_layer("block1_conv1").get_weights()[0])


@pytest.mark.slow
def test_on_each_plateau_the_rate_falls_to_three_tenths(make_params, images, rows):
    changes = {"train.schedule": "plateau", "train.patience": 5, "train.epochs": 6, "train.learning_rate": 0.02}
    history = fit(make_params(SMALL | changes), images, rows).history
    wanted = [0.02 * 0.3 ** plateaus(history["val_loss"].tolist()[:epoch], patience=1) for epoch in range(len(history))]
    assert history["learning_rate"].tolist() == pytest.approx(wanted, rel=1e-5)
    assert wanted[-1] < 0.02


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {
            "train.ema": 0.9,
            "train.mixup": 0.3,
            "train.cutmix": 1.0,
            "train.precision": "bfloat16",
            "train.schedule": "plateau",
            "train.patience": 3,
            "train.optimizer": "sgd",
        },
        {"model": "mobilenet_v2", "models.mobilenet_v2.alpha": 0.35, "models.mobilenet_v2.head_epochs": 2},
    ],
)
def test_a_resumed_training_ends_as_an_uninterrupted_one(make_params, images, rows, changes, tmp_path):
    """With dropout, a moving average and a change of phase after the second epoch."""
    base = SMALL | {"train.epochs": 4} | changes
    if "model" in changes:
        random = make_params(base | {"models.mobilenet_v2.weights": "random"})
        build_network(random).model.save_weights(tmp_path / "own.weights.h5")
        base |= {"models.mobilenet_v2.weights": str(tmp_path / "own.weights.h5")}
    states = []
    whole = fit(make_params(base), images, rows, states.append)
    resumed = fit(make_params(base), images, rows, resumed=states[1])
    measured = whole.history.columns.drop("seconds")
    pd.testing.assert_frame_equal(whole.history[measured], resumed.history[measured], check_exact=True)
    for one, other in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.slow
def test_the_average_of_the_weights_is_what_is_validated_and_kept(make_params, images, rows):
    """With a momentum near 1 the average hardly moves, however far the last step is."""
    changes = {"train.ema": 0.9999, "train.epochs": 1, "train.learning_rate": 0.01, "train.schedule": "constant"}
    params = make_params(SMALL | changes)
    states = []
    trained = fit(params, images, rows, states.append)
    probability = trained.model.predict(images[24:, ..., None], verbose=0)
    loss = float(np.mean(keras.losses.binary_crossentropy(classes()[24:, None].astype("float32"), probability)))
    assert loss == pytest.approx(trained.history["val_loss"][0], rel=1e-4)
    kernels = [values for values in states[0].variables if values.shape == (3, 3, 3, 16)]
    kept = trained.model.get_layer("block1_conv1").get_weights()[0]
    last_step = kernels[0]
    assert abs(last_step - kept).max() > 0.005


def test_a_training_is_not_resumed_from_other_weights(make_params, images, rows, first_training):
    left = replace(first_training[1][0], weights="imagenet")
    with pytest.raises(
        UserError, match=r"began with weights imagenet, now there are random; .*checkpoint.npz to begin"
    ):
        fit(make_params(SMALL), images, rows, resumed=left)


@pytest.mark.slow
def test_the_initial_bias_can_be_left_out(make_params, images, rows):
    still = {"train.learning_rate": 1e-9, "train.epochs": 1, "train.optimizer": "sgd", "train.schedule": "constant"}
    trained = fit(make_params(SMALL | still | {"train.initial_bias": False}), images, rows)
    assert np.array(trained.model.get_layer("probability").bias) == pytest.approx(0, abs=1e-4)


@pytest.mark.slow
def test_auxiliary_heads_teach_and_are_left_out(make_params, rows):
    films = np.random.default_rng(0).integers(0, 255, (32, 80, 80), dtype=np.uint8)
    params = make_params(SMALL | {"model": "googlenet", "clean.image_size": 80, "train.epochs": 1})
    trained = fit(params, films, rows)
    assert trained.model.output.shape == (None, 1)
    assert not [layer.name for layer in trained.model.layers if "auxiliary" in layer.name]
    # With the losses of two heads at chance beside its own, 0.3 of each.
    assert trained.history["loss"][0] > 1.3 * trained.history["val_loss"][0]
