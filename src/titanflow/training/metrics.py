"""How well probabilities foresee labels: accuracy, AUC, Brier score, log loss, calibration curve."""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

CURVE_BINS = 10

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]


def accuracy(probability: Floats, labels: Labels) -> float:
    """Share of the rows whose label is the likelier one."""
    return float(np.mean((probability >= 0.5) == (labels == 1)))


def auc(scores: Floats, labels: Labels) -> float | None:
    """Area under the ROC curve; None where the rows have one class only."""
    return float(roc_auc_score(labels, scores)) if len(np.unique(labels)) == 2 else None


def brier(probability: Floats, labels: Labels) -> float:
    """Mean squared distance of probability and label (Brier 1950); 0.25 for a coin."""
    return float(brier_score_loss(labels, probability, labels=[0, 1]))


def cross_entropy(probability: Floats, labels: Labels) -> float:
    """Log loss in nats; 0.693 for a coin."""
    return float(log_loss(labels, probability, labels=[0, 1]))


def calibration_curve(probability: Floats, labels: Labels, bins: int = CURVE_BINS) -> list[tuple[float, float, int]]:
    """(mean predicted probability, share of label 1, rows) of bins that hold about equally many rows."""
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return [(float(probability[part].mean()), float(np.mean(labels[part] == 1)), len(part)) for part in parts]
