"""Rolling performance of a model over its last closed round trips: Sharpe ratio and accuracy. No equity curve here.

All sums are exact integers, so the figures depend on no order of evaluation, and on nothing of a C library but sqrt.
"""

from collections import deque
from math import sqrt

from titanflow.domain.portfolio import RoundTrip
from titanflow.domain.types import Ratio, ratio_of


def trip_return(trip: RoundTrip) -> Ratio:
    """P&L after fees as a part (1e-9) of what was paid (or received) to open the position."""
    return ratio_of(trip.pnl, trip.opened_value)


class RollingPerformance:
    """Returns of the last `window` round trips; says every `interval` round trips that a check is due."""

    __slots__ = ("_interval", "_returns", "_unchecked", "_wins")

    def __init__(self, window: int, interval: int) -> None:
        self._interval = interval
        self._returns: deque[Ratio] = deque(maxlen=window)
        self._wins: deque[bool] = deque(maxlen=window)
        self._unchecked = 0

    def add(self, trip: RoundTrip) -> bool:
        """Take in a closed round trip; True where it completes an interval and performance is to be checked."""
        self._returns.append(trip_return(trip))
        self._wins.append(trip.pnl > 0)
        self._unchecked += 1
        if self._unchecked < self._interval:
            return False
        self._unchecked = 0
        return True

    def clear(self) -> None:
        """Forget everything: the model starts afresh."""
        self._returns.clear()
        self._wins.clear()
        self._unchecked = 0

    @property
    def round_trips(self) -> int:
        """Round trips now in the window."""
        return len(self._returns)

    @property
    def sharpe(self) -> float | None:
        """Sharpe ratio of the window as one holding period, at a risk-free rate of zero.

        mean / standard deviation (n - 1 degrees of freedom) of the round trips' returns (W. F. Sharpe, "The Sharpe
        Ratio", 1994), times sqrt(n) for a period of n trips (A. W. Lo, "The Statistics of Sharpe Ratios", 2002).
        With sum S and sum of squares Q that is S sqrt(n - 1) / sqrt(n Q - S^2). None with fewer than two round trips
        or when all returns are equal: it is not defined there.
        """
        count = len(self._returns)
        total = sum(self._returns)
        spread = count * sum(value * value for value in self._returns) - total * total
        return total * sqrt(count - 1) / sqrt(spread) if spread > 0 else None

    @property
    def accuracy(self) -> float | None:
        """Part of the round trips that made money after fees; None without any."""
        return sum(self._wins) / len(self._wins) if self._wins else None
