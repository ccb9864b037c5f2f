"""The outlier gate: how far a row of features lies from the rows that a model was trained on."""

from math import sqrt

import numpy as np

from titanflow.domain.models import ModelReference
from titanflow.signal.model import FeatureRow


class OutlierGate:
    """Mahalanobis distance of the standardised row, in parts of the distance that 99 in 100 training rows keep within.

    With z the row less the means over the deviations and P the inverse of the features' correlations, the distance is
    sqrt(z' P z) (Mahalanobis 1936, On the generalised distance in statistics).
    """

    __slots__ = ("_columns", "_limit", "_mean", "_precision", "_scale")

    def __init__(self, reference: ModelReference, names: tuple[str, ...]) -> None:
        """`names`: the features of a row; those that the reference does not know (the position) are left out."""
        known = [feature.name for feature in reference.features]
        columns = [names.index(name) for name in known]
        self._columns = None if columns == list(range(len(names))) else columns
        self._mean = np.array([feature.mean for feature in reference.features])
        self._scale = 1.0 / np.array([feature.deviation for feature in reference.features])
        self._precision = np.array(reference.precision)
        self._limit = reference.distance_limit

    def dissimilarity(self, row: FeatureRow) -> float:
        """Above 1 the row is an outlier; not a number where the row has a value that is none."""
        values = np.array(row) if self._columns is None else np.array([row[column] for column in self._columns])
        standard = (values - self._mean) * self._scale
        squared = float(self._precision.dot(standard).dot(standard))
        # A rounding error may leave the square of a distance of nothing a little below zero.
        return sqrt(squared) / self._limit if squared > 0.0 or squared != squared else 0.0
