"""What a unit of a network sees of the film, and what the network costs.

The theoretical receptive field comes from a walk through the graph: Araujo, Norris, Sim, Computing Receptive Fields of
Convolutional Neural Networks (Distill 2019). The effective one, how much each pixel of it weighs, is a gradient: Luo
et al., Understanding the Effective Receptive Field in Deep Convolutional Neural Networks (NeurIPS 2016).
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd
from keras import ops
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from pneumonia.inference.gradients import gradient

# Layers and operations by the names of their classes, since the classes of `keras.ops` are not public.
CONVOLUTIONS = {"Conv2D", "DepthwiseConv2D", "SeparableConv2D"}
POOLINGS = {"MaxPooling2D", "AveragePooling2D", "MaxPool", "AveragePool"}
WHOLE_FILM = {"GlobalAveragePooling2D", "GlobalMaxPooling2D", "Flatten"}
MERGES = {"Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Average", "Maximum", "Minimum", "Concatenate"}
ACTIVATIONS = {"Activation", "Gelu", "HardSigmoid", "LeakyReLU", "ReLU", "Relu", "Relu6", "Sigmoid", "Silu", "Tanh"}
NORMALISATIONS = {"BatchNormalization", "LayerNormalization", "LayerScale", "Normalization", "Rescaling"}
OTHERS = {"Cast", "Dense", "Dropout", "Exp", "GetItem", "Pad", "Power", "Reshape", "Sqrt", "Square", "StochasticDepth"}
POINTWISE = MERGES | ACTIVATIONS | NORMALISATIONS | OTHERS
"""They mix nothing but channels, if a map keeps its shape. `_through` raises for what is in none of these sets."""
COLUMNS = ["layer", "type", "output", "receptive_field", "stride", "first_pixel", "parameters", "multiply_adds"]
Shape = tuple[int, ...]  # the batch first


class Span(NamedTuple):
    """What the places of a feature map see along one axis of the film."""

    first: int  # the first pixel that the first place sees; negative: in the padding
    last: int  # the last pixel that the first place sees
    stride: int  # pixels from what a place sees to what the next one sees
    places: int  # how many places there are

    @property
    def side(self) -> int:
        """The receptive field, pixels."""
        return self.last - self.first + 1


Field = tuple[Span, ...]  # along rows, along columns


class Step(NamedTuple):
    """An operation of the network's graph, in the order of the graph."""

    operation: keras.Operation
    output: keras.KerasTensor
    field: Field | None  # what a place of the output sees; None: the whole film
    changed: bool  # whether a place of the inputs saw something else


class Cost(NamedTuple):
    """What a network costs and sees."""

    parameters: int
    multiply_adds: int  # for one film
    receptive_field: int  # pixels a side, of the last feature map
    stride: int  # pixels, of the last feature map


def layer_table(network: keras.Model) -> pd.DataFrame:
    """The spatial and dense layers between the film (B, S, S, 1) and the first output, a row each, in graph order.

    Columns: `layer`, `type`, `output` ("64x64x32"), `receptive_field` (pixels a side), `stride` (pixels from a place to
    the next), `first_pixel` (the first that the first place sees; negative: in the padding), these three <NA> where a
    unit sees the whole film; `parameters`; `multiply_adds` (a film; of convolutions and dense layers, without biases).

    Where paths meet, a place sees all that any path saw: the largest field, if they share a centre. The gate of a
    squeeze-and-excitation sees the whole film and has no places, so it is left out where it meets its map. Auxiliary
    outputs, which only training has, are not in the table.

    Raises:
        ValueError: an operation whose effect on places is not known here; paths of different strides that meet.
    """
    rows = []
    for operation, output, field, changed in _walk(network, _film(network)):
        kind = type(operation).__name__
        layer = isinstance(operation, keras.layers.Layer) and not isinstance(operation, keras.Model)
        if changed or kind == "Dense" or (layer and len(output.shape) == 4):
            widest = max(field, key=lambda span: span.side) if field else None
            seen = (widest.side, widest.stride, widest.first) if widest else (None, None, None)
            parameters = operation.count_params() if layer else 0
            shape = "x".join(map(str, output.shape[1:]))
            rows.append((operation.name, kind, shape, *seen, parameters, _multiply_adds(operation, output)))
    return pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(COLUMNS[3:], "Int64"))


def summary(network: keras.Model) -> Cost:
    """What `network` costs up to its first output, and what its last feature map sees. It raises as `layer_table` does.

    A localiser's first output is a map, its second the classifier, whose last feature map is meant.
    """
    localises = len(network.outputs) > 1 and len(network.outputs[0].shape) == 4
    classifier = network.outputs[1 if localises else 0]
    last = layer_table(keras.Model(network.inputs, classifier)).dropna().iloc[-1]
    counted = keras.Model(network.inputs, network.outputs[0])
    multiply_adds = sum(_multiply_adds(operation, operation.output) for operation in _operations(counted))
    return Cost(counted.count_params(), multiply_adds, int(last["receptive_field"]), int(last["stride"]))


def effective_receptive_field(network: keras.Model, films: np.ndarray) -> np.ndarray:
    """How much each pixel weighs in the middle unit of the last feature map: float32 (S, S), scaled to 1 at most.

    It is the mean over `films`, uint8 (N, S, S, 1), of the unit's |gradient|, computed in inference and in float32; the
    unit is the mean over the channels. `network` is left as it was.

    Raises:
        ValueError: as `layer_table`, or the unit responds to no pixel of any film.
    """
    last = next(step.output for step in reversed(_walk(network, _film(network))) if step.field)
    features = keras.Model(network.inputs, last)
    _, rows, columns, _ = last.shape

    def middle_unit(batch: keras.KerasTensor) -> keras.KerasTensor:
        """The unit, summed over the films; each film still has a gradient of its own."""
        maps = features(batch, training=False)
        return ops.sum(ops.mean(maps[:, rows // 2, columns // 2], axis=-1))

    policies = [(layer, layer.dtype_policy) for layer in features._flatten_layers(include_self=False)]
    try:
        for layer, _ in policies:
            layer.dtype_policy = "float32"  # in float16 a gradient as small as a pixel's is 0
        gradients = gradient(middle_unit, films.astype("float32"))
    finally:
        for layer, policy in policies:
            layer.dtype_policy = policy
    field: np.ndarray = np.abs(gradients).mean(axis=0)[..., 0]
    if not field.max() > 0:
        raise ValueError("the middle unit of the last feature map depends on no pixel of these films")
    return field / field.max()


def effective_size(effective: np.ndarray) -> float:
    """The side, pixels, of a square with as many pixels as weigh over 1 - 95.45 % of the heaviest (Luo et al.)."""
    return float(np.sqrt((effective > (1 - 0.9545) * effective.max()).sum()))


def plot_receptive_field(table: pd.DataFrame, effective: np.ndarray, film: np.ndarray) -> Figure:
    """Left: the fields in a `layer_table`; right: the effective one, float32 (S, S), on `film`, uint8 (S, S[, 1])."""
    figure = Figure(figsize=(11, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.2, 1))
    last, size = table.dropna().iloc[-1], len(film)
    spatial = table[table["type"].isin(CONVOLUTIONS | POOLINGS | MERGES)].dropna().reset_index()
    for stride, layers in spatial.groupby("stride"):
        left.scatter(layers.index + 1, layers["receptive_field"], s=14, label=f"stride {stride}", zorder=2)
    left.axhline(size, color="grey", linestyle="--", linewidth=1, label=f"the film: {size}")
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set(title="receptive field by layer", xlabel="layer", ylabel="pixels a side", ylim=(0, None))
    left.legend(frameon=False)
    left.spines[["top", "right"]].set_visible(False)
    left.grid(alpha=0.2)

    first = last["first_pixel"] + int(last["output"].split("x")[0]) // 2 * last["stride"]
    low, high = max(first, 0) - 0.5, min(first + last["receptive_field"], size) - 0.5  # a pixel's edges are at ±0.5
    right.imshow(film.reshape(size, size), cmap="gray", vmin=0, vmax=255)
    heat = right.imshow(effective, cmap="plasma", norm=PowerNorm(0.5, 0, 1), alpha=np.sqrt(effective))  # tails too
    figure.colorbar(heat, label="|gradient|, of the maximum", shrink=0.8)
    right.add_patch(Rectangle((low, low), high - low, high - low, fill=False, color="cyan", linewidth=2, clip_on=False))
    sizes = f"theoretical {last['receptive_field']} px (outlined), effective {effective_size(effective):.0f} px"
    right.set(title=f"what the middle unit sees\n{sizes}", xticks=[], yticks=[])
    return figure


def _film(network: keras.Model) -> Field:
    return tuple(Span(0, 0, 1, places) for places in network.inputs[0].shape[1:3])


def _walk(network: keras.Model, start: Field | None) -> list[Step]:
    """The operations from the input to the first output; a place of the input sees `start`."""
    steps: list[Step] = []
    fields: dict[int, Field | None] = {}
    for operation in keras.Function(network.inputs[0], network.outputs[0]).operations:
        inputs, output = keras.tree.flatten(operation.input), keras.tree.flatten(operation.output)[0]
        if any(id(tensor) not in fields for tensor in inputs):
            raise ValueError(f"{operation.name}: it, or what feeds it, is called twice or has several outputs")
        seen = [fields[id(tensor)] for tensor in inputs]
        if not seen:
            field = start
        elif isinstance(operation, keras.Model):  # as ConvNeXt has from a stage to the next
            inner = _walk(operation, seen[0])
            steps += inner[1:]  # without its input
            field = inner[-1].field
        else:
            field = _through(operation, [field for field in seen if field], inputs[0].shape, output.shape)
        fields[id(output)] = field
        steps.append(Step(operation, output, field, field is not None and field not in seen))
    return steps


def _through(operation: keras.Operation, fields: list[Field], before: Shape, after: Shape) -> Field | None:
    """What a place of the output sees, if those of the inputs see `fields`; the shapes of first input and output."""
    kind = type(operation).__name__
    if not fields or kind in WHOLE_FILM:
        return None
    field = tuple(
        Span(min(span.first for span in spans), max(span.last for span in spans), *spans[0][2:])
        for spans in zip(*fields, strict=True)
    )
    aligned = len({tuple(span[2:] for span in field) for field in fields}) == 1
    places = tuple(span.places for span in field)  # local response normalisation reshapes them, to (B, H·W, C, 1)
    if kind in CONVOLUTIONS | POOLINGS | {"ZeroPadding2D"} and before[1:3] == places:
        return _through_window(operation, field, after)
    along_channels = kind in POOLINGS and np.ravel(operation.pool_size)[0] == 1
    along_channels |= kind in POINTWISE and set(np.ravel(getattr(operation, "axis", -1))) <= {-1, 3}
    if aligned and along_channels and len(after) == 4 and (after[1:3] == places or after[1] == math.prod(places)):
        return field
    raise ValueError(f"{operation.name} ({kind}): what a place of its output sees is not known")


def _through_window(operation: keras.Operation, field: Field, after: Shape) -> Field:
    sizes = getattr(operation, "kernel_size", getattr(operation, "pool_size", (1, 1)))  # padding by itself: one pixel
    strides = getattr(operation, "strides", None) or sizes
    dilations = getattr(operation, "dilation_rate", 1)
    spans = []
    for axis, (first, last, stride, places) in enumerate(field):
        size, step, dilation = (int(np.broadcast_to(pair, 2)[axis]) for pair in (sizes, strides, dilations))
        reach = (size - 1) * dilation
        missing = max((after[1 + axis] - 1) * step + reach + 1 - places, 0)  # which "same" pads; none if "valid"
        before = missing // 2 if operation.padding in ("same", "valid") else operation.padding[axis][0]
        spans.append(Span(first - before * stride, last + (reach - before) * stride, stride * step, after[1 + axis]))
    return tuple(spans)


def _operations(network: keras.Model) -> Iterator[keras.Operation]:
    """All operations of `network`, also of models within it."""
    for operation in keras.Function(network.inputs[0], network.outputs[0]).operations:
        yield from _operations(operation) if isinstance(operation, keras.Model) else [operation]


def _multiply_adds(operation: keras.Operation, output: keras.KerasTensor) -> int:
    """Multiply-adds a film: each kernel number meets each output place once, in groups and separable kernels too."""
    if type(operation).__name__ not in CONVOLUTIONS | {"Dense"}:
        return 0
    kernels = sum(math.prod(weight.shape) for weight in operation.weights if len(weight.shape) > 1)  # no biases
    return math.prod(output.shape[1:-1]) * kernels
