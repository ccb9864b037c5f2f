"""Statistics of an equity curve and of closed round trips, taken one sample at a time. Pure; nothing is looked up.

Every formula is evaluated in one fixed order with correctly rounded operations only, and floats are rounded to nine
decimals, so that a figure is the same on every machine. A figure that is not defined yet is None, never zero.
"""

from collections.abc import Iterable
from decimal import Context, Decimal
from math import sqrt

from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.types import MAX_UNITS, SCALE, Money, Ratio, ratio_of, scaled

DECIMALS = 9
EXCHANGE_MINUTES_PER_YEAR = 252 * 390
"""Minutes in which a US exchange trades in a year."""
CALENDAR_MINUTES_PER_YEAR = 365 * 24 * 60
"""Minutes of a year, for venues that never close."""

_DECIMAL = Context(prec=28)
_LARGEST_LOG_GROWTH = _DECIMAL.ln(Decimal(MAX_UNITS // SCALE))


def periods_per_year(calendars: Iterable[TradingCalendar], sample_seconds: int) -> float:
    """How many samples a year holds: of exchange minutes, or of all minutes where one of the venues never closes."""
    around_the_clock = any(calendar.always_open for calendar in calendars)
    minutes = CALENDAR_MINUTES_PER_YEAR if around_the_clock else EXCHANGE_MINUTES_PER_YEAR
    return minutes * 60 / sample_seconds


class ReturnStatistics:
    """Mean, deviation and downside deviation of a growing list of periodic returns (Welford 1962)."""

    __slots__ = ("_downside", "_mean", "_scale", "_scatter", "count")

    def __init__(self, periods: float) -> None:
        """`periods` a year: what the ratios are annualised with."""
        self.count = 0
        self._mean = 0.0
        self._scatter = 0.0
        """Sum of squared deviations from the mean."""
        self._downside = 0.0
        """Sum of squared returns below zero."""
        self._scale = sqrt(periods)

    def add(self, value: float) -> None:
        """Take one more return, as a part: 0.01 is one percent."""
        self.count += 1
        deviation = value - self._mean
        self._mean += deviation / self.count
        self._scatter += deviation * (value - self._mean)
        if value < 0.0:
            self._downside += value * value

    @property
    def sharpe(self) -> float | None:
        """Mean over sample deviation (n - 1), times the root of the periods a year, riskless rate 0 (Sharpe 1994)."""
        if self.count < 2 or self._scatter <= 0.0:
            return None
        return round(self._mean / sqrt(self._scatter / (self.count - 1)) * self._scale, DECIMALS)

    @property
    def sortino(self) -> float | None:
        """Mean over downside deviation below 0, over all returns, annualised likewise (Sortino and Price 1994)."""
        if self.count < 2 or self._downside <= 0.0:
            return None
        return round(self._mean / sqrt(self._downside / self.count) * self._scale, DECIMALS)


class EquityCurve:
    """One account's equity over time.

    `sample` takes the equity at a regular moment: it makes a return against the sample before and renews the ratios.
    `mark` takes the equity at any moment between: it counts for the drawdown alone. The first sample only sets the
    base; a sample after equity was zero or below sets a new base, for no return can be taken on it.
    """

    __slots__ = (
        "_average",
        "_first",
        "_invested",
        "_last",
        "_peak",
        "_periods",
        "_sum",
        "calmar",
        "exposure",
        "max_drawdown",
        "opening",
        "returns",
        "samples",
        "sharpe",
        "sortino",
    )

    def __init__(self, opening: Money, periods: float) -> None:
        """`opening` equity is positive; `periods` a year as from `periods_per_year`."""
        self.opening = opening
        self.samples = 0
        self.returns = ReturnStatistics(periods)
        self.max_drawdown: Ratio = 0
        """Largest fall below the highest equity seen before, as a part of it (Magdon-Ismail and Atiya 2004)."""
        self.sharpe: float | None = None
        self.sortino: float | None = None
        self.calmar: float | None = None
        self._periods = periods
        self._peak = opening
        self._first: Money = opening
        self._last: Money = 0
        self._sum: Money = 0
        self._average = opening
        self._invested = 0
        self.exposure: Ratio = 0
        """Part of the samples at which a position was held; 0 before the first."""

    def mark(self, equity: Money) -> None:
        """Take the equity at any moment: only the drawdown may change."""
        if equity >= self._peak:
            self._peak = equity
        elif (self._peak - equity) * SCALE > self.max_drawdown * self._peak:
            self.max_drawdown = ratio_of(self._peak - equity, self._peak)

    def sample(self, equity: Money, invested: bool = False) -> None:
        """Take the equity at a regular moment; `invested` says whether a position was held then."""
        self.mark(equity)
        if self.samples == 0:
            self._first = equity
        elif self._last > 0:
            self.returns.add((equity - self._last) / self._last)
        self.samples += 1
        self._last = equity
        self._sum += equity
        self._average = scaled(self._sum, self.samples)
        self._invested += invested
        self.exposure = ratio_of(self._invested, self.samples)
        self.sharpe = self.returns.sharpe
        self.sortino = self.returns.sortino
        self.calmar = self._calmar()

    def total_return(self, equity: Money) -> Ratio:
        """Gain of `equity` over the opening equity, as a part of it."""
        return ratio_of(equity - self.opening, self.opening)

    def turnover(self, traded: Money) -> Ratio:
        """`traded` notional over the average sampled equity (the opening equity before the first sample)."""
        return ratio_of(traded, self._average)

    def _calmar(self) -> float | None:
        """Compound annual growth of the samples over the maximum drawdown (Young 1991).

        None without a drawdown, or where compounding so short a span to a year leaves the range of a ratio.
        """
        if self.max_drawdown == 0 or self.returns.count == 0 or self._first <= 0:
            return None
        growth = _annual_growth(self._first, self._last, self._periods, self.returns.count)
        return None if growth is None else float(round(growth * SCALE / self.max_drawdown, DECIMALS))


class TradeStatistics:
    """Counts and sums over closed round trips; profit and loss are after fees."""

    __slots__ = ("gross_loss", "gross_profit", "profit_factor", "trades", "wins")

    def __init__(self) -> None:
        self.trades = 0
        self.wins = 0
        self.gross_profit: Money = 0
        self.gross_loss: Money = 0
        """Sum of the losses, positive."""
        self.profit_factor: float | None = None
        """Gross profit over gross loss (Schwager 1984); None before the first loss."""

    def add(self, pnl: Money) -> None:
        """Take one more round trip; it is won when it made more than nothing."""
        self.trades += 1
        if pnl > 0:
            self.wins += 1
            self.gross_profit += pnl
        else:
            self.gross_loss -= pnl
        if self.gross_loss:
            self.profit_factor = round(self.gross_profit / self.gross_loss, DECIMALS)


def win_rate(wins: int, trades: int) -> Ratio:
    """Part of the closed round trips that were won; 0 before the first."""
    return ratio_of(wins, trades)


def _annual_growth(first: Money, last: Money, periods: float, count: int) -> Decimal | None:
    """(last / first) ** (periods / count) - 1, by decimal logarithms because pow differs between C libraries."""
    if last <= 0:
        return Decimal(-1)
    log_growth = _DECIMAL.ln(_DECIMAL.divide(Decimal(last), Decimal(first)))
    annual = _DECIMAL.divide(_DECIMAL.multiply(log_growth, Decimal(periods)), Decimal(count))
    return None if annual > _LARGEST_LOG_GROWTH else _DECIMAL.subtract(_DECIMAL.exp(annual), Decimal(1))
