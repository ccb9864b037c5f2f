"""Evidence that a contender loses on its round trips, valid however often one looks. Exact integers, but for screens.

The bound is the one-sided asymptotic confidence sequence of I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy and
A. Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics 52 (2024).
"""

from decimal import Context, Decimal
from functools import cache
from math import sqrt

from titanflow.domain.types import SCALE, Ratio

TIGHTEST_AT = 50
"""Round trips at which the bound is as tight as it can be made."""
_EXACT = Context(prec=28)
"""decimal rounds logarithms and roots correctly everywhere; those of C libraries differ in the last digit."""


@cache
def squared_width(count: int, level: Ratio) -> int:
    """Square (1e-9) of the distance from mean to bound after `count` trips, in standard deviations of the trips.

    2 (n r^2 + 1) / (n^2 r^2) * ln(1 + sqrt(n r^2 + 1) / (2 a)), with level a and r that makes it tightest at
    TIGHTEST_AT: r^2 = (-2 ln 2a + ln(-2 ln 2a) + 1) / TIGHTEST_AT.
    """
    chance, n = Decimal(level) / SCALE, Decimal(count)
    spent = max(-2 * _ln(min(2 * chance, Decimal("0.5"))), Decimal(1))
    tightness = (spent + _ln(spent) + 1) / TIGHTEST_AT
    weight = n * tightness + 1
    logarithm = _ln(1 + _EXACT.sqrt(weight) / (2 * chance))
    return int(2 * weight / (n * n * tightness) * logarithm * SCALE)


def _ln(value: Decimal) -> Decimal:
    return _EXACT.ln(value)


class Evidence:
    """Returns of all round trips since the start (or since an operator resumed): enough to bound their mean."""

    __slots__ = ("_level", "_min_trips", "_squares", "_total", "round_trips")

    def __init__(self, level: Ratio, min_trips: int) -> None:
        self._level = level
        self._min_trips = min_trips
        self.clear()

    def clear(self) -> None:
        """Forget everything: the model starts afresh."""
        self.round_trips = self._total = self._squares = 0

    def add(self, trip_return: Ratio) -> None:
        """Take in a closed round trip's return."""
        self.round_trips += 1
        self._total += trip_return
        self._squares += trip_return * trip_return

    @property
    def harmful(self) -> bool:
        """Whether the upper bound of the mean return is below zero.

        With sum S and sum of squares Q of n trips the mean is S / n and the variance (n Q - S^2) / n^2, so that the
        bound is below zero where S is and S^2 > width^2 (n Q - S^2).
        """
        count, total = self.round_trips, self._total
        if count < self._min_trips or total >= 0:
            return False
        spread = count * self._squares - total * total
        return total * total * SCALE > squared_width(count, self._level) * spread

    @property
    def upper_bound(self) -> float:
        """The bound of the mean return, for screens; infinite without any trip."""
        count = self.round_trips
        if not count:
            return float("inf")
        spread = count * self._squares - self._total * self._total
        return (self._total + sqrt(spread * (squared_width(count, self._level) / SCALE))) / count / SCALE
