"""The stacking meta-model: a logistic regression with L2 penalty over the calibrated log odds of other models.

Learning from out-of-fold predictions is D. H. Wolpert's stacked generalization (Neural Networks 5, 1992, 241-259).
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.linear_model import LogisticRegression

from titanflow.errors import InputError
from titanflow.settings.model import Section
from titanflow.training.calibration import sigmoid
from titanflow.training.metrics import cross_entropy
from titanflow.training.samples import Rows, Samples
from titanflow.training.trainer import Progress
from titanflow.training.trainers import Resources
from titanflow.training.trainers.onnx_graph import ARTEFACT, Step, one_bar_model
from titanflow.training.trainers.stack_members import DEFAULT_MEMBERS, LARGEST_LOGIT

Penalty = Annotated[float, Field(gt=0, le=1_000_000)]
Floats = NDArray[np.float64]


class StackSettings(Section):
    """Whom it listens to, and how hard it is held back."""

    members: tuple[str, ...] = Field(DEFAULT_MEMBERS, description="models: a name, name@candidate, or part of a digest")
    penalties: tuple[Penalty, ...] = Field(
        (1e-4, 1e-3, 1e-2, 1e-1), description="L2 penalties a row; the one with the least log loss is taken"
    )


class FittedStack:
    """A weight for each member, and a constant."""

    def __init__(self, members: tuple[str, ...], weights: Floats, constant: float, spread: Floats) -> None:
        """`spread` is the deviation of each member's log odds over the training rows."""
        self._members = members
        self._weights = weights.astype(np.float32)
        self._constant = np.float32(constant)
        self._spread = spread

    def scores(self, samples: Samples, rows: Rows) -> Floats:
        """Log odds."""
        logits = np.clip(samples.windows(rows, 1)[:, 0, :], -LARGEST_LOGIT, LARGEST_LOGIT)
        scores: Floats = (logits @ self._weights + self._constant).astype(np.float64)
        return scores

    def artefact(self) -> tuple[str, bytes]:
        """A graph of one weighted sum; its features are the members' log odds, in their order."""
        constants: dict[str, NDArray[np.generic]] = {
            "lowest": np.array(-LARGEST_LOGIT, dtype=np.float32),
            "highest": np.array(LARGEST_LOGIT, dtype=np.float32),
            "weights": self._weights[:, None],
            "constant": np.array([self._constant], dtype=np.float32),
        }
        steps: list[Step] = [("Clip", ("lowest", "highest"), {}), ("Gemm", ("weights", "constant"), {})]
        return ARTEFACT, one_bar_model(len(self._weights), steps, constants)

    def importance(self) -> Mapping[str, float]:
        """Share of each member's weight times how far its log odds spread; empty where all weights are zero."""
        moved = np.abs(self._weights) * self._spread
        total = float(moved.sum())
        return dict(zip(self._members, (moved / total).tolist(), strict=True)) if total else {}


class StackTrainer:
    """Weighs its members on `stack_samples`; the early-stop rows choose among the penalties."""

    kind: ClassVar[str] = "stack"
    Settings: ClassVar[type[StackSettings]] = StackSettings
    libraries: ClassVar[tuple[str, ...]] = ("scikit-learn", "onnx", "onnxruntime")
    window = 1

    def __init__(self, settings: StackSettings | None = None, resources: Resources | None = None) -> None:
        """`settings` default to one member of each kind; no resource changes a fit that takes milliseconds."""
        self._settings = settings or StackSettings()

    def fit(self, samples: Samples, train: Rows, early_stop: Rows, seed: int, progress: Progress) -> FittedStack:
        """Fit on `train` with the penalty that foresees `early_stop` best; nothing in it is random.

        Raises InputError where the training rows have one class only.
        """
        labels = samples.label[train]
        if len(np.unique(labels)) < 2:
            raise InputError(f"a stack cannot learn from {len(train)} rows that all have the same label")
        fits = []
        for number, penalty in enumerate(self._settings.penalties, 1):
            fits.append(_fit(samples, train, penalty))
            progress("weighing members", number / len(self._settings.penalties))
        return min(fits, key=lambda fitted: _log_loss(fitted, samples, early_stop)) if len(early_stop) else fits[0]


def _fit(samples: Samples, rows: Rows, penalty: float) -> FittedStack:
    """Standardised while it is fitted, so that the penalty holds back all members alike."""
    logits = samples.features[rows]
    mean, spread = logits.mean(axis=0), logits.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    regression = LogisticRegression(C=1.0 / (penalty * len(rows)), tol=1e-10, max_iter=1000)
    regression.fit((logits - mean) / scale, samples.label[rows])
    weights = regression.coef_[0] / scale
    return FittedStack(samples.feature_names, weights, float(regression.intercept_[0] - weights @ mean), spread)


def _log_loss(fitted: FittedStack, samples: Samples, rows: Rows) -> float:
    return cross_entropy(sigmoid(fitted.scores(samples, rows)), samples.label[rows])
