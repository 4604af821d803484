import keras
import numpy as np
import pytest

from pneumonia.training.optimization import make_loss, make_optimizer


def rate(optimizer, step: int) -> float:
    optimizer.iterations.assign(step)
    return float(np.array(optimizer.learning_rate))


def settings(make_params, **changes):
    return make_params({f"train.{key}": value for key, value in changes.items()}).train


def test_cosine_rises_for_the_warm_up_and_falls_to_nothing(make_params):
    chosen = settings(make_params, schedule="cosine", warmup_epochs=2)
    optimizer = make_optimizer(chosen, 0.1, epochs=6, steps=10)
    assert rate(optimizer, 0) == pytest.approx(0.001)
    assert rate(optimizer, 10) == pytest.approx((0.001 + 0.1) / 2)
    assert rate(optimizer, 20) == pytest.approx(0.1)
    assert rate(optimizer, 40) == pytest.approx(0.05)  # half of the 40 steps that are left
    assert rate(optimizer, 60) == pytest.approx(0, abs=1e-8)


def test_constant_stays(make_params):
    optimizer = make_optimizer(settings(make_params, schedule="constant"), 0.1, epochs=6, steps=10)
    assert rate(optimizer, 0) == rate(optimizer, 60) == pytest.approx(0.1)


def stepped(chosen, gradient: float, start: float) -> tuple[float, float]:
    """A kernel and a bias after one step of plain descent at a rate of 0.1."""
    kernel, bias = (keras.Variable([start], name=name) for name in ("kernel", "bias"))
    optimizer = make_optimizer(chosen, 0.1, epochs=1, steps=1)
    optimizer.momentum = 0.0
    optimizer.build([kernel, bias])
    optimizer.apply([keras.ops.convert_to_tensor([gradient])] * 2, [kernel, bias])
    return float(np.array(kernel)[0]), float(np.array(bias)[0])


def test_kernels_decay_and_biases_do_not(make_params):
    chosen = settings(make_params, optimizer="sgd", schedule="constant", weight_decay=0.5, clip_norm=0)
    kernel, bias = stepped(chosen, gradient=0.0, start=2.0)
    assert kernel == pytest.approx(2 - 0.1 * 0.5 * 2)
    assert bias == 2


def test_all_gradients_together_are_clipped(make_params):
    """(30, 30) has a norm of 42.4: at 3 each is 2.12, and with Nesterov's momentum of 0 the step is that."""
    chosen = settings(make_params, optimizer="sgd", schedule="constant", weight_decay=0, clip_norm=3)
    kernel, _ = stepped(chosen, gradient=30.0, start=2.0)
    assert 2 - kernel == pytest.approx(0.1 * 3 / np.sqrt(2), rel=0.01)
    free, _ = stepped(chosen.model_copy(update={"clip_norm": 0.0}), gradient=30.0, start=2.0)
    assert 2 - free == pytest.approx(3)


def test_binary_losses_by_hand(make_params):
    truth, predicted = np.float32([[1], [0]]), np.float32([[0.8], [0.4]])
    smooth = make_loss(settings(make_params, label_smoothing=0.2), 1)
    assert float(smooth(truth, predicted)) == pytest.approx(
        -(0.9 * np.log(0.8) + 0.1 * np.log(0.2) + 0.9 * np.log(0.6) + 0.1 * np.log(0.4)) / 2, rel=1e-5
    )
    focal = make_loss(settings(make_params, loss="focal", label_smoothing=0), 1)
    by_hand = -(0.2**2 * np.log(0.8) + 0.4**2 * np.log(0.6)) / 2
    assert float(focal(truth, predicted)) == pytest.approx(by_hand, rel=1e-5)


def test_focal_losses_of_a_blend_are_the_blend_of_the_losses(make_params):
    chosen = settings(make_params, loss="focal", label_smoothing=0.1)
    for outputs, first, other, predicted in (
        (1, [[1.0]], [[0.0]], [[0.9]]),
        (3, [[1.0, 0, 0]], [[0, 0, 1.0]], [[0.7, 0.2, 0.1]]),
    ):
        loss = make_loss(chosen, outputs)
        one, two, blend = (
            float(loss(np.float32(target), np.float32(predicted)))
            for target in (first, other, 0.3 * np.array(first) + 0.7 * np.array(other))
        )
        assert blend == pytest.approx(0.3 * one + 0.7 * two, rel=1e-5)


def test_focal_loss_over_three_classes_by_hand(make_params):
    focal = make_loss(settings(make_params, loss="focal", label_smoothing=0), 3)
    assert float(focal(np.float32([[0, 1, 0]]), np.float32([[0.2, 0.7, 0.1]]))) == pytest.approx(
        -(0.3**2) * np.log(0.7), rel=1e-5
    )
