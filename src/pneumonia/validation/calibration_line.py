"""The calibration line: what the log-odds of pneumonia are, given those that a model says (Cox 1958)."""

import numpy as np

from pneumonia.evaluation.bootstrap import WeightedMetrics

LARGE = "intercept at slope 1"
STEPS = 30
STEEPEST = 10.0
"""Where films are told apart wholly, no slope is the best: it grows without end."""


def weighted_calibration(sick: np.ndarray, log_odds: np.ndarray, weights: np.ndarray) -> WeightedMetrics:
    """`slope` and `intercept` of the logistic regression of `sick`, (N,) of 0 and 1, on `log_odds`, (N,), and the
    intercept of one with a slope of 1; (D,) each, where film n counts `weights[d, n]` times.

    A perfect model has 1, 0 and 0. A slope over `STEEPEST` is NaN, and so is its intercept.
    """
    slope, intercept = np.ones(len(weights)), np.zeros(len(weights))
    large = np.zeros(len(weights))
    for _ in range(STEPS):
        expected = _share(intercept[:, None] + slope[:, None] * log_odds)
        error, curve = weights * (sick - expected), weights * expected * (1 - expected)
        gradient = np.stack([error.sum(axis=1), error @ log_odds], axis=1)
        flat, mixed, steep = curve.sum(axis=1), curve @ log_odds, curve @ log_odds**2
        determinant = np.maximum(flat * steep - mixed**2, 1e-9)
        intercept = intercept + np.clip((steep * gradient[:, 0] - mixed * gradient[:, 1]) / determinant, -2, 2)
        slope = slope + np.clip((flat * gradient[:, 1] - mixed * gradient[:, 0]) / determinant, -2, 2)
        expected = _share(large[:, None] + log_odds)
        curvature = np.maximum((weights * expected * (1 - expected)).sum(axis=1), 1e-9)
        large = large + np.clip((weights * (sick - expected)).sum(axis=1) / curvature, -2, 2)
    bounded = np.abs(slope) <= STEEPEST
    return {
        "slope": np.where(bounded, slope, np.nan),
        "intercept": np.where(bounded, intercept, np.nan),
        LARGE: large,
    }


def _share(log_odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(log_odds, -500, 500)))
