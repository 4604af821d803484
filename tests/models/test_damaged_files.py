"""Files of networks that are damaged, or made to do harm: one line names the file, and nothing in it is run."""

import io
import json
import pickle
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from pneumonia.errors import UserError
from pneumonia.models.shared.building import build_network
from pneumonia.models.shared.torch_file import read_torch_file
from pneumonia.models.shared.weights import load_weights, read_network

from ..small_classifier import SIZE


def network() -> keras.Model:
    film = keras.Input((SIZE, SIZE, 1))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(film))
    return keras.Model(film, keras.layers.Dense(1, "sigmoid", name="probability")(x))


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_h5", ".weights.h5").replace("_json", ".json"), content)
    return file.getvalue()


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


def damages(data: bytes) -> dict[str, bytes]:
    """`data` damaged in ways that disks, browsers and people find."""
    rng = np.random.default_rng(0)
    return {
        "empty": b"",
        "a page": b"<html>404</html>",
        "noise": rng.bytes(len(data)),
        "another zip": zipped(note=b"hello"),
        "a zip with a broken config": zipped(config_json=b"{", metadata_json=b"{}", model_h5=b""),
        "a zip with an empty config": zipped(config_json=b"{}", metadata_json=b"{}", model_h5=b""),
        "a pickle": pickle.dumps({"weights": [1.0]}),
        **{f"cut to {share}": data[: int(len(data) * share)] for share in (0.01, 0.3, 0.5, 0.9, 0.999)},
        **{f"with byte {place} flipped": flipped(data, place) for place in range(0, len(data), len(data) // 40)},
    }


def one_line(error: pytest.ExceptionInfo, file: Path) -> str:
    said = str(error.value)
    assert str(file) in said
    assert "\n" not in said
    assert len(said) < 400 + len(str(file))
    return said


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_a_damaged_file_is_one_line_or_does_no_harm(tmp_path, suffix):
    file, whole = tmp_path / f"own{suffix}", network()
    whole.save(file) if suffix == ".keras" else whole.save_weights(file)
    for name, data in damages(file.read_bytes()).items():
        file.write_bytes(data)
        try:
            load_weights(network(), file)
        except UserError as error:
            assert str(file) in str(error), name
            assert "\n" not in str(error), name
        else:  # HDF5 keeps no sum to know a changed weight by
            assert name.startswith("with byte"), name


def test_a_file_of_another_kind_says_what_it_may_be(tmp_path):
    for name in ("own.h5", "own.pt", "own.weights.h5", "own.keras"):
        (tmp_path / name).write_bytes(pickle.dumps({"weights": [1.0]}))
        with pytest.raises(UserError, match=r"cannot be read as a \.keras (or \.weights\.h5 )?file .*damaged") as error:
            load_weights(network(), tmp_path / name)
        one_line(error, tmp_path / name)


@pytest.mark.parametrize("asked", ["auto", "imagenet"])
def test_damaged_weights_in_keras_cache_are_named_with_what_to_do(make_params, tmp_path, monkeypatch, asked):
    monkeypatch.setattr(keras.src.backend.config, "_KERAS_DIR", str(tmp_path))  # KERAS_HOME, which is read at import
    file = tmp_path / "models" / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    file.parent.mkdir()
    with h5py.File(file, "w") as h5:
        h5["noise"] = np.arange(1000.0)
    file.write_bytes(file.read_bytes()[:-2000])
    chosen = {"models.mobilenet_v2.weights": asked, "models.mobilenet_v2.alpha": 0.35, "clean.image_size": 96}
    with pytest.raises(UserError, match=rf"mobilenet_v2\.weights is {asked}, but the ImageNet weights cannot be read"):
        build_network(make_params({"model": "mobilenet_v2", **chosen}))
    with pytest.raises(UserError, match=r"remove .* to have them fetched anew") as error:
        build_network(make_params({"model": "mobilenet_v2", **chosen}))
    one_line(error, file)


def rewritten(path: Path, change) -> Path:
    """The `.keras` file of `network` with its config changed by `change`."""
    network().save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def layer(network: dict, **changes: object) -> None:
    network["config"]["layers"][1].update(changes)


def activation(network: dict, **named: object) -> None:
    network["config"]["layers"][1]["config"]["activation"] = named


COMMANDS = {
    "a class of a module": lambda config, command: layer(config, module="os", class_name="system"),
    "a built-in function": lambda config, command: activation(
        config, module="builtins", class_name="function", config="eval", registered_name="function"
    ),
    "a function of a module": lambda config, command: activation(
        config, module="os", class_name="function", config="system", registered_name="function"
    ),
    "a process": lambda config, command: layer(
        config, module="subprocess", class_name="Popen", registered_name=None, config={"args": command, "shell": True}
    ),
    "a loader of Keras'": lambda config, command: layer(
        config, module="keras.utils", class_name="get_file", config={"origin": f"file://{command}", "fname": "x"}
    ),
    "a class of this package": lambda config, command: layer(
        config, module="pneumonia.models.shared.torch_file", class_name="StateReader", registered_name=None
    ),
}


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_network_that_names_code_is_refused(tmp_path, kind):
    marker = tmp_path / "marker"
    file = rewritten(tmp_path / "own.keras", lambda config: COMMANDS[kind](config, f"touch {marker}"))
    with pytest.raises(UserError) as error:
        read_network(file)
    one_line(error, file)
    assert not marker.exists()


def test_a_lambda_layer_is_refused_and_not_run(tmp_path):
    marker, file = tmp_path / "marker", tmp_path / "own.keras"
    film = keras.Input((SIZE, SIZE, 1))
    run = keras.layers.Lambda(lambda x, path=str(marker): (open(path, "w").close(), x)[1], output_shape=(SIZE, SIZE, 1))
    keras.Model(film, run(film)).save(file)
    marker.unlink(missing_ok=True)  # building it has run it
    with pytest.raises(UserError, match=r"cannot be read as a \.keras file") as error:
        read_network(file)
    one_line(error, file)
    assert not marker.exists()


def h5_that_reads(secret: Path, kind: str) -> bytes:
    """The weights of `network`, of which one array is what `secret` holds: 4 numbers."""
    file = secret.with_name("made.weights.h5")
    network().save_weights(file)
    with h5py.File(file, "a") as h5:
        variables = h5["layers/conv2d/vars"]
        del variables["1"]
        if kind == "external link":
            variables["1"] = h5py.ExternalLink(str(secret), "secret")
        elif kind == "external storage":
            variables.create_dataset("1", (4,), "f4", external=[(str(secret.with_suffix(".raw")), 0, 16)])
        else:
            layout = h5py.VirtualLayout((4,), "f4")
            layout[:] = h5py.VirtualSource(str(secret), "secret", (4,))
            variables.create_virtual_dataset("1", layout)
    return file.read_bytes()


@pytest.mark.parametrize("kind", ["external link", "external storage", "virtual dataset"])
@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_weights_that_would_be_read_from_another_file_are_refused(tmp_path, kind, suffix):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as h5:
        h5["secret"] = np.full(4, 42, "f4")
    secret.with_suffix(".raw").write_bytes(np.full(4, 42, "f4").tobytes())
    weights, file = h5_that_reads(secret, kind), tmp_path / f"own{suffix}"
    file.write_bytes(weights)
    if suffix == ".keras":
        network().save(file)
        with zipfile.ZipFile(file) as archive:
            members = {name: archive.read(name) for name in archive.namelist()} | {"model.weights.h5": weights}
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    built = network()
    with pytest.raises(UserError) as error:
        load_weights(built, file)
    one_line(error, file)
    assert not any((array == 42).any() for array in built.get_weights())


class Command:
    """A pickle that writes a file when it is read."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


def test_a_torch_file_that_names_code_is_refused(tmp_path):
    marker, file = tmp_path / "marker", tmp_path / "own.pth"
    for position in range(4):
        parts = [0, 1, {}, {}]
        parts[position] = Command(marker)
        file.write_bytes(b"".join(map(pickle.dumps, parts)))
        with pytest.raises(pickle.UnpicklingError, match="has no place in a file of weights"):
            read_torch_file(file)
    assert not marker.exists()
