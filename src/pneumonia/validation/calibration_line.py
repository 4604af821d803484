"""The calibration line: what the log-odds of pneumonia are, given those that a model says (Cox 1958)."""

import numpy as np

from pneumonia.evaluation.bootstrap import WeightedMetrics

LARGE = "intercept at slope 1"
STEPS, HALVINGS = 40, 12
STEEPEST = 10.0
"""Where films are told apart wholly, no slope is the best: it grows without end."""


def weighted_calibration(sick: np.ndarray, log_odds: np.ndarray, weights: np.ndarray) -> WeightedMetrics:
    """`slope` and `intercept` of the logistic regression of `sick`, (N,) of 0 and 1, on `log_odds`, (N,), and the
    intercept of one with a slope of 1; (D,) each, where film n counts `weights[d, n]` times.

    A perfect model has 1, 0 and 0. A slope over `STEEPEST` is NaN, and so is its intercept.
    """
    intercept, slope = _fit(sick, log_odds, weights, with_slope=True)
    large, _ = _fit(sick, log_odds, weights, with_slope=False)
    bounded = np.abs(slope) <= STEEPEST
    return {
        "slope": np.where(bounded, slope, np.nan),
        "intercept": np.where(bounded, intercept, np.nan),
        LARGE: large,
    }


def _fit(
    sick: np.ndarray, log_odds: np.ndarray, weights: np.ndarray, with_slope: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Intercept and slope, (D,) each, by Newton's method; a step that makes the fit worse is halved."""
    intercept, slope = np.zeros(len(weights)), np.ones(len(weights))
    fit = _log_likelihood(sick, log_odds, weights, intercept, slope)
    for _ in range(STEPS):
        expected = 1 / (1 + np.exp(-np.clip(intercept[:, None] + slope[:, None] * log_odds, -500, 500)))
        error, curve = weights * (sick - expected), weights * expected * (1 - expected)
        # A little is added to the curvature: where all films are surely told apart, it is none.
        flat, mixed, steep = curve.sum(axis=1) + 1e-6, curve @ log_odds, curve @ log_odds**2 + 1e-6
        up, along = error.sum(axis=1), error @ log_odds
        if with_slope:
            determinant = flat * steep - mixed**2
            rise, turn = (steep * up - mixed * along) / determinant, (flat * along - mixed * up) / determinant
        else:
            rise, turn = up / flat, np.zeros_like(up)
        share = np.ones(len(weights))
        for _ in range(HALVINGS):
            better = _log_likelihood(sick, log_odds, weights, intercept + share * rise, slope + share * turn)
            if (better >= fit).all():
                break
            share = np.where(better >= fit, share, share / 2)
        share = np.where(better >= fit, share, 0)
        intercept, slope, fit = intercept + share * rise, slope + share * turn, np.maximum(better, fit)
        if (np.abs(share * rise) + np.abs(share * turn)).max() < 1e-7:
            break
    return intercept, slope


def _log_likelihood(
    sick: np.ndarray, log_odds: np.ndarray, weights: np.ndarray, intercept: np.ndarray, slope: np.ndarray
) -> np.ndarray:
    line = intercept[:, None] + slope[:, None] * log_odds
    likelihood: np.ndarray = (weights * (sick * line - np.logaddexp(0, line))).sum(axis=1)
    return likelihood
