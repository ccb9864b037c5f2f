"""Raw scores become calibrated probabilities, and probabilities give the thresholds at which a model speaks.

The scaling is J. Platt's (Probabilistic outputs for support vector machines, 1999).
"""

from math import log

import numpy as np
from numpy.typing import NDArray

from titanflow.domain.models import Calibration, Thresholds

LEAST_SLOPE = 1e-3
"""In parts of one over the scores' deviation. Never zero or less: a higher score must stay the higher probability."""

SILENT = Thresholds(buy_above=1.0, sell_below=0.0)
"""Beyond every calibrated probability."""

_STEPS = 100
_CLOSE_ENOUGH = 1e-13
_ALIKE = 1e-6
"""Scores that differ by less, as a part of the largest, differ by rounding: networks give seven digits."""

Floats = NDArray[np.float64]


def fit_platt(scores: Floats, labels: NDArray[np.int8]) -> Calibration:
    """Slope and intercept of most likelihood for out-of-fold scores, by Newton's method.

    The targets are Platt's, (n1 + 1) / (n1 + 2) and 1 / (n0 + 2), so that few rows or one class alone give no
    certainty. A slope that would not be positive is held at LEAST_SLOPE: then the scores say next to nothing.
    """
    if not len(scores):
        return Calibration(slope=1.0, intercept=0.0)
    positives = int(np.sum(labels == 1))
    negatives = len(labels) - positives
    targets = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    mean, deviation = float(np.mean(scores)), float(np.std(scores)) or 1.0
    slope, intercept = _most_likely((scores - mean) / deviation, targets)
    if slope < LEAST_SLOPE:
        share = float(np.mean(targets))
        slope, intercept = LEAST_SLOPE, log(share / (1 - share))
    return Calibration(slope=slope / deviation, intercept=intercept - slope * mean / deviation)


def deviation_of(scores: Floats) -> float:
    """How far a model spreads its scores, as a divisor: 1 where they are too few or too alike to tell."""
    deviation = float(np.std(scores)) if len(scores) else 0.0
    return deviation if deviation > _ALIKE * float(np.max(np.abs(scores), initial=0.0)) else 1.0


def probabilities(calibration: Calibration, scores: Floats) -> Floats:
    """P(label 1) of each score."""
    return sigmoid(calibration.slope * scores + calibration.intercept)


def sigmoid(values: Floats) -> Floats:
    """1 / (1 + exp(-v)), without overflow."""
    small = np.exp(-np.abs(values))
    result: Floats = np.where(values >= 0, 1.0, small) / (1.0 + small)
    return result


def thresholds(probability: Floats, buy_quantile: float = 0.90, sell_quantile: float = 0.10) -> Thresholds:
    """Speak at the extremes: quantiles of probabilities of rows not fitted on; never, where those do not differ."""
    if not len(probability) or np.ptp(probability) == 0.0:
        return SILENT
    sell, buy = np.quantile(probability, (sell_quantile, buy_quantile))
    return Thresholds(buy_above=float(buy), sell_below=float(sell)) if sell < buy else SILENT


def _most_likely(scores: Floats, targets: Floats) -> tuple[float, float]:
    """Slope and intercept that minimise the cross-entropy against the targets; scores are standardised."""
    slope, intercept = 0.0, 0.0
    loss = _cross_entropy(slope, intercept, scores, targets)
    for _ in range(_STEPS):
        fitted = sigmoid(slope * scores + intercept)
        weight = fitted * (1 - fitted)
        off = fitted - targets
        gradient = np.array([np.mean(off * scores), np.mean(off)])
        cross = np.mean(weight * scores)
        hessian = np.array([[np.mean(weight * scores**2), cross], [cross, np.mean(weight)]]) + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        part = 1.0
        while True:
            trial = slope - part * float(step[0]), intercept - part * float(step[1])
            tried = _cross_entropy(*trial, scores, targets)
            if tried <= loss or part < _CLOSE_ENOUGH:
                break
            part /= 2
        slope, intercept = trial
        if loss - tried < _CLOSE_ENOUGH:
            break
        loss = tried
    return slope, intercept


def _cross_entropy(slope: float, intercept: float, scores: Floats, targets: Floats) -> float:
    logits = slope * scores + intercept
    return float(np.mean(np.logaddexp(0.0, logits) - targets * logits))
