"""What the training rows looked like: what live rows are held against, and what stands for an absent feature."""

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf

from titanflow.domain.models import FeatureReference, ModelReference
from titanflow.signal.drift import HOUR_NANOS, MIN_ROWS, stability_index
from titanflow.training.samples import Rows, Samples

BINS = 10
BACKGROUND_WINDOWS = 8
LIMIT_PERCENTILE = 99.0
DIGITS = 6
"""Significant digits of the background: enough for float32, and a file of half the size."""

Floats = NDArray[np.float64]


def reference_of(samples: Samples, rows: Rows, window: int, seed: int, base_value: float = 0.0) -> ModelReference:
    """The reference of a model that was taught on these rows.

    The distance is that of P. C. Mahalanobis (1936) on standardised features, with O. Ledoit and M. Wolf's shrunk
    covariance (2004). `base_value`, the mean score over the background, is the caller's to fill in.
    """
    values = samples.features[rows]
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    deviation = np.where(deviation > 0.0, deviation, 1.0)
    standard = (values - mean) / deviation
    precision: Floats = LedoitWolf(assume_centered=True).fit(standard).precision_
    limit = float(np.percentile(distances(standard, precision), LIMIT_PERCENTILE))
    columns = zip(samples.feature_names, mean.tolist(), deviation.tolist(), values.T, strict=True)
    hours = hours_of(samples.closed_at[rows])
    return ModelReference(
        features=tuple(_feature(name, centre, spread, column, hours) for name, centre, spread, column in columns),
        precision=tuple(tuple(row) for row in precision.tolist()),
        distance_limit=limit,
        background=background_of(samples, rows, window, seed),
        base_value=base_value,
    )


def distances(standard: Floats, precision: Floats) -> Floats:
    """sqrt(z' P z) of each row of standardised features."""
    squares: Floats = np.einsum("ij,jk,ik->i", standard, precision, standard)
    return np.sqrt(np.maximum(squares, 0.0))


def background_of(samples: Samples, rows: Rows, window: int, seed: int) -> tuple[tuple[tuple[float, ...], ...], ...]:
    """Up to BACKGROUND_WINDOWS windows of training rows, drawn by the seed, in order of time."""
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(rows), size=min(BACKGROUND_WINDOWS, len(rows)), replace=False))
    windows = samples.features[rows[chosen][:, None] + np.arange(1 - window, 1)[None, :]]
    return tuple(tuple(tuple(map(_rounded, row)) for row in one) for one in windows.tolist())


def hours_of(closed_at: Rows) -> list[Rows]:
    """Places of the rows of each hour, as a session counts them: hours with too few rows are counted on."""
    order = np.argsort(closed_at, kind="stable")
    # A bar that ends with the hour is of the hour that ends.
    _, begins = np.unique((closed_at[order] - 1) // HOUR_NANOS, return_index=True)
    hours, waiting = [], np.zeros(0, dtype=np.int64)
    for hour in np.split(order, begins[1:]):
        waiting = np.concatenate((waiting, hour))
        if len(waiting) >= MIN_ROWS:
            hours.append(waiting)
            waiting = waiting[:0]
    return hours


def _feature(name: str, mean: float, deviation: float, values: Floats, hours: list[Rows]) -> FeatureReference:
    """Bin i holds the values from edge i - 1 (included) up to edge i: `bisect_right(edges, value)`."""
    edges = np.unique(np.quantile(values, np.arange(1, BINS) / BINS))
    bins = np.searchsorted(edges, values, side="right")
    shares = (np.bincount(bins, minlength=len(edges) + 1) / len(values)).tolist()
    counted = (np.bincount(bins[hour], minlength=len(edges) + 1).tolist() for hour in hours)
    return FeatureReference(
        name=name,
        mean=mean,
        deviation=deviation,
        edges=tuple(edges.tolist()),
        shares=tuple(shares),
        usual_drift=max((stability_index(counts, shares) for counts in counted), default=0.0),
    )


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
