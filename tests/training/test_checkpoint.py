import numpy as np

from pneumonia.training.checkpoint import Checkpoint, State

STATE = State(
    [{"epoch": 1.0, "phase": 1, "val_loss": 0.1 + 0.2}],
    "float32",
    "random",
    [np.arange(6, dtype="uint32"), np.float32(0.1)],
    [],
)


def test_a_state_comes_back_to_the_last_bit(tmp_path):
    checkpoint = Checkpoint(tmp_path / "models" / "checkpoint.npz", "this")
    assert checkpoint.read() is None
    checkpoint.write(STATE, "run")
    state, run_id = checkpoint.read()
    assert (state.rows, state.precision, state.weights, run_id) == (STATE.rows, "float32", "random", "run")
    assert [(each.dtype, each.tolist()) for each in state.variables] == [
        (each.dtype, each.tolist()) for each in STATE.variables
    ]
    checkpoint.remove()
    assert checkpoint.read() is None


def test_the_state_of_another_training_or_a_torn_file_is_none(tmp_path):
    path = tmp_path / "checkpoint.npz"
    Checkpoint(path, "this").write(STATE, "run")
    assert Checkpoint(path, "that").read() is None
    path.write_bytes(path.read_bytes()[:100])
    assert Checkpoint(path, "this").read() is None
