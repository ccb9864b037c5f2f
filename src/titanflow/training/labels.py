"""What a model is to foresee: the triple barrier and the forward return.

The triple barrier is M. López de Prado's (Advances in Financial Machine Learning, 2018, chapter 3). A label never
leaves the trading day of its row, for positions are closed with the day.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from titanflow.domain.models import LabelSpec
from titanflow.domain.types import NANOS_PER_SECOND
from titanflow.errors import InputError

TRIPLE_BARRIER = "triple_barrier"
FORWARD_RETURN = "forward_return"
METHODS = (TRIPLE_BARRIER, FORWARD_RETURN)
UNKNOWN = -1

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

_SHORTEST_BREAK_SECONDS = 3600
_BARS_OF_A_BREAK = 5


class Prices(NamedTuple):
    """One instrument's bars in order of time: what labels are reckoned from. Dollars, one entry a bar."""

    high: Floats
    low: Floats
    close: Floats
    atr: Floats
    """Average true range; NaN where unknown."""
    segment: Integers
    """Number of the trading day, ascending; see `segments`."""


class Labels(NamedTuple):
    """One entry a bar."""

    label: NDArray[np.int8]
    """1, 0, or -1 where it is not known."""
    settled: Integers
    """Place of the bar whose close settled the label; the bar's own where it is not known."""
    forward_return: Floats
    """Change of the close until the time barrier as a part of the close; NaN where the label is not known."""


def segments(opened_at: Integers, seconds: int, break_seconds: int = 0) -> Integers:
    """The trading day of each bar, counted from 0: a new one begins after a gap of more than `break_seconds`.

    0 means an hour, or five bars where those are longer: nights part minutes, but weekends do not part days.
    """
    limit = break_seconds or max(_SHORTEST_BREAK_SECONDS, _BARS_OF_A_BREAK * seconds)
    gaps = np.diff(opened_at) - seconds * NANOS_PER_SECOND
    numbers: Integers = np.concatenate(([0], np.cumsum(gaps > limit * NANOS_PER_SECOND))).astype(np.int64)
    return numbers


def label_rows(prices: Prices, spec: LabelSpec) -> Labels:
    """The label of every bar.

    A label is known where at least one bar follows in its day, and its whole horizon lies in the data or its day ended
    before: near the end of the data only early touches could be known, and they would not be a fair sample. Raises
    InputError for a method that is not one of METHODS.
    """
    if spec.method not in METHODS:
        raise InputError(f"label.method {spec.method!r} is unknown; choose one of: {', '.join(METHODS)}")
    count = len(prices.close)
    rows = np.arange(count)
    last_of_day = np.searchsorted(prices.segment, prices.segment, side="right") - 1
    barrier = np.minimum(rows + spec.horizon_bars, last_of_day)
    known = (barrier > rows) & ((rows + spec.horizon_bars < count) | (last_of_day < count - 1))
    change = prices.close[barrier] / prices.close - 1.0
    label, settled = (change > 0).astype(np.int8), barrier
    if spec.method == TRIPLE_BARRIER:
        known &= ~np.isnan(prices.atr)
        label, settled = _first_touch(prices, spec, label, barrier)
    return Labels(
        label=np.where(known, label, UNKNOWN).astype(np.int8),
        settled=np.where(known, settled, rows),
        forward_return=np.where(known, change, np.nan),
    )


def _first_touch(
    prices: Prices, spec: LabelSpec, at_barrier: NDArray[np.int8], barrier: Integers
) -> tuple[NDArray[np.int8], Integers]:
    """Labels and places of settlement by the barrier that is touched first; a bar that touches both hit the stop."""
    upper = prices.close + spec.profit * prices.atr
    lower = prices.close - spec.stop * prices.atr
    label, settled = at_barrier.copy(), barrier.copy()
    waiting = np.flatnonzero(~np.isnan(prices.atr) & (barrier > np.arange(len(barrier))))
    for ahead in range(1, spec.horizon_bars + 1):
        later = waiting + ahead
        stopped = prices.low[later] <= lower[waiting]
        touched = stopped | (prices.high[later] >= upper[waiting])
        rows = waiting[touched]
        label[rows], settled[rows] = ~stopped[touched], later[touched]
        waiting = waiting[~touched & (later < barrier[waiting])]
    return label, settled
