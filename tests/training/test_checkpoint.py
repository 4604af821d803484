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


def test_the_state_of_another_training_is_none(tmp_path):
    path = tmp_path / "checkpoint.npz"
    Checkpoint(path, "this").write(STATE, "run")
    assert Checkpoint(path, "that").read() is None


def test_a_damaged_file_is_told_and_none_and_no_pickle_is_read(tmp_path, caplog):
    path = tmp_path / "checkpoint.npz"
    Checkpoint(path, "this").write(STATE, "run")
    whole = path.read_bytes()
    other = whole.replace("random".encode("utf-32-le"), "rondom".encode("utf-32-le"))
    damaged = [b"", b"text", whole[:100], whole[:-30], other, b"PK\x05\x06" + bytes(18)]
    for data in damaged:
        path.write_bytes(data)
        assert Checkpoint(path, "this").read() is None
    np.savez(path, facts=np.array([Command(tmp_path / "marker")], dtype=object))
    assert Checkpoint(path, "this").read() is None
    assert not (tmp_path / "marker").exists()
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == len(damaged) + 1
    assert all(f"{path} cannot be read (" in each and "begins anew" in each and "\n" not in each for each in told)


class Command:
    """A pickle that writes a file when it is read."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")
