"""From the probabilities that a network gives to the class that is predicted."""

import numpy as np

SMALLEST = float(np.finfo(np.float32).tiny)
"""What a probability that underflowed to 0, which has no logarithm, is taken for."""


def scale(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(log p / T) of `probabilities`, float (N, C): float64 (N, C), softer for a temperature T above 1.

    Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 9. The logarithms are the logits up
    to a constant, which the softmax cancels.
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
    """The probability of the last class, float (N,), for films known to be of one of the last two.

    `probabilities` are those of all classes, float (N, C).
    """
    return probabilities[:, -1] / np.maximum(probabilities[:, -2:].sum(axis=1), np.finfo(float).tiny)


def predict_classes(probabilities: np.ndarray, threshold: float, healthy: int) -> np.ndarray:
    """The numbers of the predicted classes, int64 (N,).

    A film whose probability of pneumonia reaches the `threshold` gets the likeliest class with pneumonia, any other
    film the likeliest without. `probabilities` are calibrated ones of all classes, float (N, C), of which the first
    `healthy` ones are without pneumonia.
    """
    sick = probability_of_pneumonia(probabilities, healthy) >= threshold
    likeliest = healthy + probabilities[:, healthy:].argmax(axis=1)
    return np.where(sick, likeliest, probabilities[:, :healthy].argmax(axis=1))
