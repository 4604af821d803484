"""Where in a film a network finds its evidence.

Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, ICCV 2017.
"""

import keras
import matplotlib
import numpy as np
from keras import ops
from PIL import Image

from pneumonia.inference.gradients import gradient

BATCH = 16
PLACES = 7
"""The least side of a map that is used. The published networks end in 7 × 7 places; with smaller films a last map would
be too coarse. In 218 generated films of 128 pixels, the hottest pixel of an earlier `cnn` lay in a box around an
opacity in 80 % with 8 × 8 places, in 76 % with 4 × 4, and in one film with the 2 × 2 that it flattens. What such maps
are worth is in each run's report (`evaluation.pointing`)."""


def grad_cam(network: keras.Model, films: np.ndarray, class_number: int | None = None, healthy: int = 1) -> np.ndarray:
    """The evidence for a class in each of `films`, uint8 (N, S, S, 1): float32 (N, S, S), 1 where it is strongest.

    `network` is one of `models` and stays as it was. The evidence is ReLU(Σ α A), resized to the film. A are the
    channels of the last feature map with `PLACES` or more a side; α is the mean over the places of the gradient of the
    score with respect to A (equations 1 and 2). The score is the class's logit, which goes into the softmax. In the
    binary task it is the sigmoid's logit for 1, pneumonia, and its negative for 0, normal. Without a class it is the
    log-odds of pneumonia: with three classes, of any but the first `healthy` ones. A film without evidence has zeros.

    Raises:
        ValueError: a class that the network does not have.
    """
    output = network.get_layer("probability")
    last_class = max(output.units - 1, 1)
    if class_number is not None and not 0 <= class_number <= last_class:
        raise ValueError(f"class_number is {class_number}, but the network has classes 0 to {last_class}")
    features = _last_feature_map(network)
    # Functions and not models, which would leave nodes in the network's layers each time they are made.
    to_features, to_head = keras.Function(network.inputs[0], features), keras.Function(features, output.input)

    def score(maps: keras.KerasTensor) -> keras.KerasTensor:
        """The sum of the films' scores, each of which depends on the film's own maps alone."""
        logits = ops.matmul(ops.cast(to_head(maps), "float32"), output.kernel) + output.bias
        return ops.sum(_of_class(logits, class_number, healthy))

    heats = []
    for start in range(0, len(films), BATCH):
        batch = ops.convert_to_tensor(films[start : start + BATCH], dtype="float32")
        maps = ops.convert_to_numpy(ops.cast(to_features(batch), "float32"))
        weights = gradient(score, maps).mean(axis=(1, 2), keepdims=True)
        evidence = np.maximum((weights * maps).sum(axis=-1, keepdims=True), 0)
        heat = ops.convert_to_numpy(ops.image.resize(evidence, films.shape[1:3], interpolation="bilinear"))[..., 0]
        strongest = heat.max(axis=(1, 2), keepdims=True)
        heats.append(np.divide(heat, strongest, out=np.zeros_like(heat), where=strongest > 0))
    return np.concatenate(heats)


def lay_heat_over(film: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """`film`, uint8 (H, W), under `heat`, float32 (S, S) from 0 to 1: uint8 (H, W, 3), red, green and blue.

    The hotter, the less the film shows through. The heat is stretched to the film, which may have any size and shape.
    """
    height, width = film.shape
    stretched = np.asarray(Image.fromarray(heat).resize((width, height), Image.Resampling.BILINEAR))
    colours = 255 * matplotlib.colormaps["plasma"](stretched)[..., :3]
    opacity = 0.6 * np.sqrt(stretched)[..., None]  # the film shows through at its hottest too
    return np.rint((1 - opacity) * film[..., None] + opacity * colours).astype(np.uint8)


def _of_class(logits: keras.KerasTensor, class_number: int | None, healthy: int) -> keras.KerasTensor:
    """The scores of `grad_cam`, (N,), from logits (N, 1) or (N, C)."""
    if logits.shape[-1] == 1:
        return -logits[:, 0] if class_number == 0 else logits[:, 0]
    if class_number is None:
        return ops.logsumexp(logits[:, healthy:], axis=1) - ops.logsumexp(logits[:, :healthy], axis=1)
    return logits[:, class_number]


def _last_feature_map(network: keras.Model) -> keras.KerasTensor:
    """The last map (B, H, W, C) with `PLACES` or more a side that all of the network passes through.

    A map beside a shortcut or another branch does not count, since the score is no function of it alone. Nor does a
    padded map, whose places lie elsewhere on the film.
    """
    operations = keras.Function(network.inputs[0], network.outputs[0]).operations
    last_use = {
        id(tensor): number
        for number, operation in enumerate(operations)
        for tensor in keras.tree.flatten(operation.input)
    }
    last, in_use_until = None, 0
    for number, operation in enumerate(operations):
        output = operation.output
        is_map = len(output.shape) == 4 and not isinstance(operation, keras.layers.ZeroPadding2D)
        if is_map and in_use_until <= number and min(output.shape[1:3]) >= PLACES:
            last = output
        in_use_until = max(in_use_until, last_use.get(id(output), number))
    if last is None:
        raise ValueError(f"the network has no feature map of {PLACES} places a side")
    return last
