"""What validation found, fold by fold: the numbers behind the manifest's metrics and the report's plots."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from titanflow.training.samples import Rows

VALIDATION_FILE = "validation.npz"
"""A model's out-of-fold scores, beside its artefact: what a stacking model learns from."""


@dataclass(frozen=True)
class TradedCurve:
    """A strategy traded over one fold, after costs."""

    at: NDArray[np.int64]
    equity: NDArray[np.float64]
    """Starts at 1."""
    sharpe: float | None
    """Annualised; None where nothing varied, or over too few days to speak of a year."""
    max_drawdown: float
    total_return: float
    trades: int


@dataclass(frozen=True)
class FoldResult:
    """One fold's test rows and what the model, which never saw them, made of them."""

    number: int
    train_rows: int
    purged_rows: int
    """Rows left out of training because their labels reach into the test, or lie in the embargo after it."""
    test: Rows
    scores: NDArray[np.float64]
    """On one scale with those of the other folds."""
    probabilities: NDArray[np.float64]
    """Calibrated by the folds before this one (the first fold: by its own early-stop rows), so never by itself."""
    labels: NDArray[np.int8]
    accuracy: float
    auc: float | None
    """None where the test rows have one class only."""
    brier: float
    traded: TradedCurve
    baselines: dict[str, TradedCurve]
    """`flat`, `buy_and_hold`, `sma_crossover` on the same rows with the same costs."""


@dataclass(frozen=True)
class PermutationTest:
    """How often shuffled labels (by blocks of time, so that autocorrelation stays) score as well as the true ones."""

    statistic: str
    observed: float
    shuffled: NDArray[np.float64]
    p_value: float
    """Corrected for the number of settings that were tried."""


@dataclass(frozen=True)
class Validation:
    """All folds of one setting, and the verdict."""

    folds: tuple[FoldResult, ...]
    permutation: PermutationTest
    metrics: dict[str, float]
    """Means over the folds, as the manifest has them."""
    has_edge: bool
    verdict: str
    """One plain sentence: edge or none, against what, with the numbers."""
    settings_tried: int = 1
    calibration_curve: list[tuple[float, float, int]] = field(default_factory=list)
    """(mean predicted probability, share of label 1, rows) of each bin over all folds."""
