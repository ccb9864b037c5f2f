"""A growing list of periodic returns: mean, deviations, skew, kurtosis, and how sure a Sharpe ratio made of them is.

Nothing is kept but sums, and nothing is used but correctly rounded operations in one fixed order, so that a figure is
the same on every machine. Ratios here are those of one period; who annualises them is `performance`.
"""

from decimal import Context, Decimal
from functools import lru_cache
from math import sqrt
from typing import NamedTuple

CONFIDENCE = 0.95
"""How much of the time an interval of `ReturnStatistics.interval` holds the true ratio."""
_QUANTILE = 1.959963984540054
"""Standard normal quantile of (1 + CONFIDENCE) / 2."""
_DECIMAL = Context(prec=40)
_ROOT_OF_TWO_PI = _DECIMAL.sqrt(2 * Decimal("3.141592653589793238462643383279502884197"))
_CERTAIN = 7.0
"""Beyond so many deviations a normal probability is 0 or 1 to nine decimals."""


class Interval(NamedTuple):
    """Between what the true ratio lies."""

    low: float
    high: float


class ReturnStatistics:
    """Sums over returns as they come, by Welford (1962) and, for the third and fourth moment, Pebay (2008)."""

    __slots__ = ("_downside", "_fourth", "_mean", "_scatter", "_third", "count")

    def __init__(self) -> None:
        self.count = 0
        self._mean = 0.0
        self._scatter = 0.0
        """Sum of squared deviations from the mean; the next two are those of their third and fourth powers."""
        self._third = 0.0
        self._fourth = 0.0
        self._downside = 0.0
        """Sum of squared returns below zero."""

    def add(self, value: float) -> None:
        """Take one more return, as a part: 0.01 is one percent."""
        before = self.count
        self.count = count = before + 1
        deviation = value - self._mean
        step = deviation / count
        square = step * step
        grown = deviation * step * before
        self._mean += step
        self._fourth += grown * square * (count * count - 3 * count + 3) + 6 * square * self._scatter
        self._fourth -= 4 * step * self._third
        self._third += grown * step * (count - 2) - 3 * step * self._scatter
        self._scatter += grown
        if value < 0.0:
            self._downside += value * value

    @property
    def sharpe(self) -> float | None:
        """Mean over sample deviation (n - 1), riskless rate 0 (Sharpe 1994); None where nothing varies."""
        if self.count < 2 or self._scatter <= 0.0:
            return None
        return self._mean / sqrt(self._scatter / (self.count - 1))

    @property
    def sortino(self) -> float | None:
        """Mean over downside deviation below 0, over all returns (Sortino and Price 1994); None without a loss."""
        if self.count < 2 or self._downside <= 0.0:
            return None
        return self._mean / sqrt(self._downside / self.count)

    @property
    def skew(self) -> float:
        """Third standardised moment; 0 where nothing varies."""
        return self._third * sqrt(self.count) / (self._scatter * sqrt(self._scatter)) if self._scatter > 0.0 else 0.0

    @property
    def kurtosis(self) -> float:
        """Fourth standardised moment: 3 for normal returns, and where nothing varies."""
        return self._fourth * self.count / (self._scatter * self._scatter) if self._scatter > 0.0 else 3.0

    @property
    def interval(self) -> Interval | None:
        """Of the Sharpe ratio, at 95 %: 1.96 standard errors sqrt((1 + ratio^2 / 2) / n) on either side (Lo 2002)."""
        ratio = self.sharpe
        if ratio is None:
            return None
        margin = _QUANTILE * sqrt((1.0 + ratio * ratio / 2.0) / self.count)
        return Interval(ratio - margin, ratio + margin)

    @property
    def probability(self) -> float | None:
        """The probabilistic Sharpe ratio: that the true ratio is above 0 (Bailey and Lopez de Prado 2012)."""
        ratio = self.sharpe
        if ratio is None:
            return None
        spread = 1.0 - self.skew * ratio + (self.kurtosis - 1.0) / 4.0 * ratio * ratio
        return None if spread <= 0.0 else normal_probability(ratio * sqrt(self.count - 1) / sqrt(spread))


@lru_cache(maxsize=1024)
def normal_probability(deviations: float) -> float:
    """That a standard normal number is below `deviations`, to nine decimals.

    By decimal arithmetic, as erf differs between C libraries: 1/2 + density * (x + x^3/3 + x^5/(3*5) + ...).
    """
    if abs(deviations) >= _CERTAIN:
        return 1.0 if deviations > 0.0 else 0.0
    at = Decimal(deviations)
    square = _DECIMAL.multiply(at, at)
    term = total = _DECIMAL.plus(at)
    odd = 1
    while abs(term) > Decimal("1e-20"):
        odd += 2
        term = _DECIMAL.divide(_DECIMAL.multiply(term, square), Decimal(odd))
        total = _DECIMAL.add(total, term)
    density = _DECIMAL.divide(_DECIMAL.exp(_DECIMAL.divide(square, Decimal(-2))), _ROOT_OF_TWO_PI)
    return float(round(_DECIMAL.add(Decimal("0.5"), _DECIMAL.multiply(density, total)), 9))
