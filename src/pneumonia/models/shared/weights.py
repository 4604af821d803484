"""Networks and weights in files: what is damaged, or no such file, is told in one line that names it."""

from collections import Counter
from pathlib import Path

import h5py
import keras

from pneumonia.errors import UserError

Shape = tuple[int, ...]


def read_network(path: Path) -> keras.Model:
    """The network in a `.keras` file, not compiled. Nothing in the file is run: Keras' safe mode refuses code.

    Raises:
        UserError: there is no such file, or it holds no network.
    """
    try:
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises anything, from ValueError to zipfile.BadZipFile
        raise UserError(f"{path}: {_why_unreadable(path, error, '.keras')}") from error
    if not isinstance(network, keras.Model):
        raise UserError(f"{path}: holds a {type(network).__name__}, and no network")
    return network


def load_weights(model: keras.Model, path: Path) -> None:
    """Load a `.keras` or `.weights.h5` file into `model`, without its auxiliary heads.

    A classifier's `.keras` file also loads into a localiser's classifier; the localiser's map then begins at random.

    Raises:
        UserError: there is no such file, it is no weight file, or a layer does not fit: the first such, and why.
    """
    outputs = model.outputs
    model = keras.Model(model.input, outputs[0], name=model.name)
    if path.suffix == ".keras":
        other = read_network(path)
        if len(outputs[0].shape) == 4 and len(other.outputs) == 1:
            model = keras.Model(model.input, outputs[1], name=model.name)
        _check(model, [(layer.name, _shapes(layer)) for layer in other.layers if layer.weights], path)
        model.set_weights(other.get_weights())
        return
    try:
        _check(model, _stored_shapes(model, path), path)
        model.load_weights(path)
    except UserError:
        raise
    except Exception as error:  # as above
        raise UserError(f"weights {path}: {_why_unreadable(path, error, '.keras or .weights.h5')}") from error


def _why_unreadable(path: Path, error: Exception, kinds: str) -> str:
    if not path.is_file():
        return "no such file"
    reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
    return f"cannot be read as a {kinds} file ({reason}); it may be another file, or damaged"


def _check(model: keras.Model, stored: list[tuple[str, list[Shape]]], path: Path) -> None:
    """Compare the model's layers with the `stored` ones, in the order of the graph."""
    wanted = [(layer.name, _shapes(layer)) for layer in model.layers if layer.weights]
    for (name, shapes), (stored_name, stored_shapes) in zip(wanted, stored, strict=False):
        if shapes != stored_shapes:
            raise UserError(
                f"weights {path}: do not fit model {model.name}: its layer {name!r} has weights of shapes "
                f"{_list(shapes)}, the file's {stored_name!r} {_list(stored_shapes)}"
            )
    if len(wanted) != len(stored):
        raise UserError(
            f"weights {path}: do not fit model {model.name}: it has {len(wanted)} layers with weights, the file "
            f"{len(stored)}; the first without its like is {(wanted + stored)[min(len(wanted), len(stored))][0]!r}"
        )


def _stored_shapes(model: keras.Model, path: Path) -> list[tuple[str, list[Shape]]]:
    """Name and shapes of each layer in a `.weights.h5` file: first those of `model`, in its order, then the others.

    Keras stores a layer under its kind and its number within the kind: `separable_conv2d_3`.
    """
    stored = {}
    with h5py.File(path) as file:
        for place, group in file["layers"].items():
            variables = group.get("vars", {})
            if len(variables):
                kind, _, number = place.rpartition("_")
                key = (kind, int(number)) if number.isdigit() else (place, 0)
                shapes = [tuple(variables[each].shape) for each in sorted(variables, key=int)]
                stored[key[0].replace("_", ""), key[1]] = (variables.attrs.get("name", place), shapes)
    in_order, seen = [], Counter[str]()
    for layer in model.layers:
        kind = type(layer).__name__.lower()
        if layer.weights:
            in_order.append(stored.pop((kind, seen[kind]), ("nothing", [])))
        seen[kind] += 1
    return in_order + list(stored.values())


def _shapes(layer: keras.layers.Layer) -> list[Shape]:
    return [tuple(weight.shape) for weight in layer.weights]


def _list(shapes: list[Shape]) -> str:
    return ", ".join("×".join(map(str, shape)) for shape in shapes) or "none"
