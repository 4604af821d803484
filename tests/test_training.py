import math

import keras
import numpy as np
import pandas as pd
import pytest

from pneumonia.errors import UserError
from pneumonia.models import build_network
from pneumonia.training import freeze_before, make_learner, set_initial_bias, train


@pytest.fixture
def rows() -> pd.DataFrame:
    """24 films to draw, every third of them normal."""
    names = ["normal" if number % 3 == 0 else "pneumonia" for number in range(24)]
    return pd.DataFrame({"image": range(24), "class": names, "draws": 1, "augment": False, "weight": 1.0})


@pytest.fixture
def images(rows) -> np.ndarray:
    """64 × 64 noise, with a bright square on pneumonia; the last eight films are for validation."""
    films = np.random.default_rng(0).integers(0, 120, (32, 64, 64), dtype=np.uint8)
    films[classes() == 1, 20:44, 20:44] += 100
    return films


def classes() -> np.ndarray:
    return (np.arange(32) % 3 != 0).astype(int)


SMALL = {"clean.image_size": 64, "train.epochs": 2, "train.batch_size": 8}


def fit(params, images, rows, on_epoch=lambda row: None):
    return train(params, images, rows, (np.arange(24, 32), classes()[24:]), on_epoch)


def test_the_same_seed_gives_the_same_history_and_model(make_params, images, rows):
    first, again = (fit(make_params(SMALL), images, rows) for _ in range(2))
    measured = first.history.columns.drop("seconds")
    assert first.history[measured].equals(again.history[measured])
    for one, other in zip(first.model.get_weights(), again.model.get_weights(), strict=True):
        assert np.array_equal(one, other)
    other = fit(make_params(SMALL | {"seed": 1}), images, rows)
    assert not first.history[measured].equals(other.history[measured])


def test_each_epoch_is_told_while_training_goes_on(make_params, images, rows):
    told = []
    trained = fit(make_params(SMALL), images, rows, told.append)
    assert [row["epoch"] for row in told] == [1, 2]
    assert pd.DataFrame(told).equals(trained.history)
    assert {"loss", "auc", "val_loss", "val_auc", "learning_rate", "seconds"} <= set(trained.history)


def test_the_best_epoch_is_kept_not_the_last(make_params, images, rows):
    """With this rate the loss goes up and down, so that the best epoch is not the last."""
    settings = SMALL | {"train.epochs": 8, "train.learning_rate": 0.02, "train.schedule": "constant"}
    trained = fit(make_params(settings), images, rows)
    best = trained.history["val_loss"].idxmin()
    assert best != len(trained.history) - 1
    probability = trained.model.predict(images[24:, ..., None], verbose=0)
    truth = classes()[24:, None].astype("float32")
    loss = float(np.mean(keras.losses.binary_crossentropy(truth, probability)))
    assert loss == pytest.approx(trained.history["val_loss"][best], rel=1e-4)


def test_early_stopping_waits_as_long_as_it_is_told(make_params, images, rows):
    settings = SMALL | {"train.epochs": 30, "train.patience": 1, "train.learning_rate": 0.05}
    trained = fit(make_params(settings), images, rows)
    val_loss = trained.history["val_loss"]
    assert len(val_loss) < 30
    assert val_loss.iloc[-1] >= val_loss.iloc[:-1].min()


def test_the_output_starts_at_the_share_of_pneumonia_that_the_loss_sees(make_params, rows):
    network = build_network(make_params(SMALL)).model
    set_initial_bias(network, rows, "binary")
    assert network.get_layer("probability").bias.numpy()[0] == pytest.approx(math.log(16 / 8))
    weighted = rows.assign(weight=rows["class"].map({"normal": 1.5, "pneumonia": 0.75}))
    set_initial_bias(network, weighted, "binary")
    assert network.get_layer("probability").bias.numpy()[0] == pytest.approx(0, abs=1e-6)


def test_only_the_layers_from_the_named_one_on_learn_and_no_batch_norm(make_params):
    network = build_network(make_params(SMALL)).model
    named = network.layers[-8].name
    freeze_before(network, named)
    learning = [layer.name for layer in network.layers if layer.trainable_weights]
    assert learning == [layer.name for layer in network.layers[-8:] if isinstance(layer, keras.layers.Dense)]
    freeze_before(network, None)
    assert len(network.non_trainable_weights) == 2 * len(
        [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    )
    with pytest.raises(UserError, match="no layer 'mixed99'; it may be one of film, scaled"):
        freeze_before(network, "mixed99")


def test_a_pretrained_network_trains_its_head_first_and_then_from_the_named_layer(make_params, images, rows, tmp_path):
    images = np.pad(images, ((0, 0), (6, 6), (6, 6)))
    base = {
        "model": "inception",
        "clean.image_size": 76,
        "train.epochs": 1,
        "train.batch_size": 8,
        "models.inception.head_epochs": 1,
        "models.inception.fine_tune_from": "mixed10",
    }
    start = build_network(make_params(base | {"models.inception.weights": "random"})).model
    start.save_weights(tmp_path / "own.weights.h5")
    settings = make_params(base | {"models.inception.weights": str(tmp_path / "own.weights.h5")})
    trained = fit(settings, images, rows)
    assert len(trained.history) == 2
    rates = trained.history["learning_rate"]
    assert rates[0] == pytest.approx(1e-3) or rates[0] == 0
    assert np.array_equal(start.layers[3].get_weights()[0], trained.model.layers[3].get_weights()[0])
    head = [model.get_layer("probability").get_weights()[0] for model in (start, trained.model)]
    assert not np.array_equal(*head)


def test_mixed_precision_trains_and_the_model_that_is_kept_computes_in_float32(make_params, images, rows, tmp_path):
    trained = fit(make_params(SMALL | {"train.precision": "bfloat16"}), images, rows)
    assert {layer.dtype_policy.name for layer in trained.model.layers} == {"float32"}
    trained.model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    film = images[:4, ..., None]
    assert np.array_equal(loaded.predict(film, verbose=0), trained.model.predict(film, verbose=0))


def test_the_network_can_learn_one_batch_by_heart(make_params, images, rows):
    keras.utils.set_random_seed(0)
    network = build_network(make_params(SMALL)).model
    for layer in network.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0
    learner = make_learner(network)
    learner.compile("adam", "binary_crossentropy")
    unused = {
        "pose": np.tile(np.float32([1, 0, 0, 0, 1, 0, 0, 0]), (8, 1)),
        "tone": np.tile(np.float32([1, 0]), (8, 1)),
    }
    inputs = {"image": images[:8, ..., None], **unused}
    target = classes()[:8, None].astype("float32")
    losses = [float(learner.train_on_batch(inputs, target)) for _ in range(60)]
    assert losses[-1] < 0.01 < losses[0]


def test_a_loss_that_is_not_finite_stops_with_what_to_try(make_params, images, rows):
    rows.loc[0, "weight"] = math.nan
    with pytest.raises(UserError, match=r"in epoch 1 at learning rate .* try a smaller train.learning_rate"):
        fit(make_params(SMALL), images, rows)


@pytest.mark.parametrize(
    ("optimizer", "schedule"), [("adam", "plateau"), ("adamw", "cosine"), ("sgd", "constant"), ("rmsprop", "cosine")]
)
def test_every_optimizer_and_schedule_moves_the_weights(make_params, images, rows, optimizer, schedule):
    changes = {"train.optimizer": optimizer, "train.schedule": schedule, "train.loss": "focal", "train.epochs": 1}
    params = make_params(SMALL | changes)
    trained = fit(params, images, rows)
    keras.utils.set_random_seed(params.seed)
    untrained = build_network(params).model.layers[3].get_weights()[0]
    assert not np.array_equal(untrained, trained.model.layers[3].get_weights()[0])
