"""The table that every trainer learns from: one row a closed bar, its features, its label and when that was settled."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from titanflow.domain.models import LabelSpec, TrainingWindow

Rows = NDArray[np.int64]
"""Indices of rows of a `Samples`, ascending by (closed_at, row)."""


@dataclass(frozen=True)
class Samples:
    """Rows of one instrument lie together, in time order; arrays have one entry a row. Money is float dollars here."""

    features: NDArray[np.float64]
    """(rows, features); NaN where a feature is not known yet."""
    feature_names: tuple[str, ...]
    instruments: tuple[str, ...]
    """Sorted."""
    instrument: NDArray[np.int32]
    """Index into `instruments`."""
    closed_at: NDArray[np.int64]
    """Nanoseconds UTC at which the bar closed: when a model decides."""
    opened_at: NDArray[np.int64]
    """When the bar's interval began."""
    ends_at: NDArray[np.int64]
    """When it ended: not after `closed_at`, for a bar may be closed late, by the next event."""
    segment: NDArray[np.int64]
    """Number of the unbroken stretch of bars (a trading day) that holds the row: no label and no position leaves it."""
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    atr: NDArray[np.float64]
    """Average true range, dollars; NaN where unknown."""
    volume: NDArray[np.float64]
    """Whole units traded during the bar."""
    label: NDArray[np.int8]
    """1 where the price rose first, 0 where not, -1 where the label is not known (too near the end)."""
    forward_return: NDArray[np.float64]
    """Change of the close over the label's horizon as a part of the close; NaN where the label is not known."""
    settled_at: NDArray[np.int64]
    """When the label became known: a row trains nothing that is validated before it."""
    bar_seconds: int
    label_spec: LabelSpec
    window: TrainingWindow

    def usable(self, bars: int, *, labelled: bool = True) -> Rows:
        """Rows whose last `bars` rows (its own among them) are of its instrument and know every feature, by time."""
        known: NDArray[np.bool_] = np.asarray(~np.isnan(self.features).any(axis=1))
        row = np.arange(len(known))
        begins = np.ones(len(known), dtype=np.bool_)
        begins[1:] = (self.instrument[1:] != self.instrument[:-1]) | ~known[:-1]
        run = np.where(known, row - np.maximum.accumulate(np.where(begins, row, 0)) + 1, 0)
        chosen = np.flatnonzero((run >= bars) & ((self.label >= 0) | (not labelled)))
        return chosen[np.lexsort((chosen, self.closed_at[chosen]))]

    def windows(self, rows: Rows, bars: int) -> NDArray[np.float32]:
        """(len(rows), bars, features): each row's last `bars` rows, the newest last. A copy, so ask in batches."""
        windows: NDArray[np.float32] = self.features[rows[:, None] + np.arange(1 - bars, 1)[None, :]].astype(np.float32)
        return windows
