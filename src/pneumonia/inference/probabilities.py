"""From the probabilities that a network gives to the class that is predicted."""

import numpy as np

SMALLEST = float(np.finfo(np.float32).tiny)
"""A probability that underflowed to 0 has no logarithm: it is taken for this."""


def scale(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(log p / T) of `probabilities`, float (N, C): float64 (N, C), softer for a temperature T above 1.

    Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 9; the logarithms are the logits, but for
    a constant that the softmax does not see.
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), SMALLEST)) / temperature
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def probability_of_pneumonia(probabilities: np.ndarray, healthy: int) -> np.ndarray:
    """The probability of any class with pneumonia, float (N,).

    `probabilities` are those of all classes, float (N, C), of which the first `healthy` ones are without pneumonia.
    """
    return 1 - probabilities[:, :healthy].sum(axis=1)


def share_of_last(probabilities: np.ndarray) -> np.ndarray:
    """The probability of the last class if it is one of the last two, float (N,).

    `probabilities` are those of all classes, float (N, C).
    """
    return probabilities[:, -1] / np.maximum(probabilities[:, -2:].sum(axis=1), np.finfo(float).tiny)


def predict_classes(probabilities: np.ndarray, threshold: float, healthy: int) -> np.ndarray:
    """The numbers of the predicted classes, int64 (N,).

    A film whose probability of pneumonia reaches the `threshold` gets the likeliest class with pneumonia, another film
    the likeliest without. `probabilities` are calibrated ones of all classes, float (N, C); the first `healthy` of them
    are without pneumonia.
    """
    sick = probability_of_pneumonia(probabilities, healthy) >= threshold
    likeliest = healthy + probabilities[:, healthy:].argmax(axis=1)
    return np.where(sick, likeliest, probabilities[:, :healthy].argmax(axis=1))
