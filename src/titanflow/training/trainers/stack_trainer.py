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

LARGEST_DEVIATION = 5.0
"""Log odds further from their mean, in deviations of the training rows, count as much: a member whose newest model is
surer than its earlier ones were is heard, and does not shout the others down."""

Penalty = Annotated[float, Field(gt=0, le=1_000_000)]
Floats = NDArray[np.float64]


class StackSettings(Section):
    """Whom it listens to, and how hard it is held back."""

    members: tuple[str, ...] = Field(DEFAULT_MEMBERS, description="models: a name, name@candidate, or part of a digest")
    penalties: tuple[Penalty, ...] = Field(
        (1e-4, 1e-3, 1e-2, 1e-1), description="L2 penalties a row; the one with the least log loss is taken"
    )


class FittedStack:
    """Standardises each member's log odds and weighs them, and adds a constant."""

    def __init__(self, members: tuple[str, ...], weights: Floats, constant: float, mean: Floats, scale: Floats) -> None:
        """`mean` and `scale` are those of each member's log odds over the training rows; weights are per `scale`."""
        self._members = members
        self._weights = weights.astype(np.float32)
        self._constant = np.float32(constant)
        self._mean, self._scale = mean.astype(np.float32), scale.astype(np.float32)

    def scores(self, samples: Samples, rows: Rows) -> Floats:
        """Log odds."""
        logits = np.clip(samples.windows(rows, 1)[:, 0, :], -LARGEST_LOGIT, LARGEST_LOGIT)
        standard = np.clip((logits - self._mean) / self._scale, -LARGEST_DEVIATION, LARGEST_DEVIATION)
        scores: Floats = (standard @ self._weights + self._constant).astype(np.float64)
        return scores

    def artefact(self) -> tuple[str, bytes]:
        """A graph of one weighted sum; its features are the members' log odds, in their order."""
        constants: dict[str, NDArray[np.generic]] = {
            "lowest": np.array(-LARGEST_LOGIT, dtype=np.float32),
            "highest": np.array(LARGEST_LOGIT, dtype=np.float32),
            "mean": self._mean,
            "scale": self._scale,
            "least": np.array(-LARGEST_DEVIATION, dtype=np.float32),
            "most": np.array(LARGEST_DEVIATION, dtype=np.float32),
            "weights": self._weights[:, None],
            "constant": np.array([self._constant], dtype=np.float32),
        }
        steps: list[Step] = [
            ("Clip", ("lowest", "highest"), {}), ("Sub", ("mean",), {}), ("Div", ("scale",), {}),
            ("Clip", ("least", "most"), {}), ("Gemm", ("weights", "constant"), {}),
        ]  # fmt: skip
        return ARTEFACT, one_bar_model(len(self._weights), steps, constants)

    def importance(self) -> Mapping[str, float]:
        """Share of each member's weight, all being standardised; empty where all weights are zero."""
        moved = np.abs(self._weights)
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
    """Standardised, so that the penalty holds back all members alike."""
    logits = samples.features[rows]
    mean, spread = logits.mean(axis=0), logits.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    regression = LogisticRegression(C=1.0 / (penalty * len(rows)), tol=1e-10, max_iter=1000)
    standard = np.clip((logits - mean) / scale, -LARGEST_DEVIATION, LARGEST_DEVIATION)
    regression.fit(standard, samples.label[rows])
    return FittedStack(samples.feature_names, regression.coef_[0], float(regression.intercept_[0]), mean, scale)


def _log_loss(fitted: FittedStack, samples: Samples, rows: Rows) -> float:
    return cross_entropy(sigmoid(fitted.scores(samples, rows)), samples.label[rows])
