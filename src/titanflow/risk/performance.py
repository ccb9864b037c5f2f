"""Statistics of an equity curve and of closed round trips, taken one at a time. Pure; nothing is looked up.

Every formula is evaluated in one fixed order with correctly rounded operations only, and floats are rounded to nine
decimals, so that a figure is the same on every machine. A figure that is not defined, or that so little time cannot
bear, is None, never zero; `absences` says why.
"""

from collections.abc import Iterable
from decimal import Context, Decimal
from math import sqrt
from typing import NamedTuple

from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.types import MAX_UNITS, SCALE, Money, Ratio, ratio_of, scaled
from titanflow.risk.returns import ReturnStatistics

DECIMALS = 9
LEAST_SESSIONS = 3
"""Trading days, and returns, below which there is no Sharpe or Sortino ratio."""
LEAST_SESSIONS_OF_A_YEAR = 30
"""Trading days below which nothing is compounded to a year."""
LARGEST_RATIO = 100.0
"""A ratio beyond it comes of returns that hardly vary, or of next to no loss, and says nothing."""
EXCHANGE_MINUTES_PER_YEAR = 252 * 390
"""Minutes in which a US exchange trades in a year."""
CALENDAR_MINUTES_PER_YEAR = 365 * 24 * 60
"""Minutes of a year, for venues that never close."""

_DECIMAL = Context(prec=28)
_LARGEST_LOG_GROWTH = _DECIMAL.ln(Decimal(MAX_UNITS // SCALE))


def periods_per_year(calendars: Iterable[TradingCalendar], seconds: int) -> float:
    """How many bars a year holds: of exchange minutes, or of all minutes where one of the venues never closes."""
    around_the_clock = any(calendar.always_open for calendar in calendars)
    minutes = CALENDAR_MINUTES_PER_YEAR if around_the_clock else EXCHANGE_MINUTES_PER_YEAR
    return minutes * 60 / seconds


class Figures(NamedTuple):
    """What the closes of a curve's days say. A figure that would mislead, or is not defined, is None."""

    sharpe: float | None = None
    sharpe_low: float | None = None
    sharpe_high: float | None = None
    """The 95 % interval of the Sharpe ratio."""
    probability: float | None = None
    """The probabilistic Sharpe ratio: that the true ratio is above 0."""
    sortino: float | None = None
    calmar: float | None = None


class EquityCurve:
    """One account's equity over time.

    `close` takes the equity at the end of a trading day: it makes a return against the day before and renews the
    ratios. `sample` takes it at regular moments, for its average and for exposure; `mark` at any moment, for the
    drawdown. No return is taken on an equity of zero or below; the next one is taken on what follows.
    """

    __slots__ = (
        "_average",
        "_close",
        "_close_drawdown",
        "_close_peak",
        "_first",
        "_invested",
        "_peak",
        "_per_year",
        "_samples",
        "_sum",
        "exposure",
        "figures",
        "max_drawdown",
        "opening",
        "returns",
        "sessions",
    )

    def __init__(self, opening: Money, per_year: int) -> None:
        """`opening` equity is positive; `per_year` is how many trading days a year has."""
        self.opening = opening
        self.returns = ReturnStatistics()
        self.sessions = 0
        """Trading days behind the returns."""
        self.figures = Figures()
        self.max_drawdown: Ratio = 0
        """Largest fall below the highest equity seen before, as a part of it (Magdon-Ismail and Atiya 2004)."""
        self.exposure: Ratio = 0
        """Part of the samples at which a position was held; 0 before the first."""
        self._per_year = per_year
        self._peak = opening
        self._first: Money = opening
        """Equity when the returns begin; `_close` is that of the last day's close."""
        self._close: Money = opening
        self._close_peak: Money = opening
        self._close_drawdown: Ratio = 0
        """The maximum drawdown as the closes alone show it."""
        self._samples = 0
        self._sum: Money = 0
        self._average = opening
        self._invested = 0

    def mark(self, equity: Money) -> None:
        """Take the equity at any moment: only the drawdown may change."""
        if equity >= self._peak:
            self._peak = equity
        elif (self._peak - equity) * SCALE > self.max_drawdown * self._peak:
            self.max_drawdown = ratio_of(self._peak - equity, self._peak)

    def sample(self, equity: Money, times: int = 1, *, invested: bool = False) -> None:
        """Take the equity as it was at so many regular moments; `invested` says whether a position was held then."""
        self._samples += times
        self._sum += equity * times
        self._average = scaled(self._sum, self._samples)
        self._invested += times * invested
        self.exposure = ratio_of(self._invested, self._samples)

    def begin(self, equity: Money) -> None:
        """Returns are taken from here on: what came before was a part of a day."""
        self._first = self._close = self._close_peak = equity

    def close(self, equity: Money, sessions: int = 1) -> None:
        """Take the equity at the end of a period of so many trading days, and renew the ratios."""
        self.mark(equity)
        self.sessions += sessions
        if self._close > 0:
            self.returns.add((equity - self._close) / self._close)
        self._close = equity
        if equity >= self._close_peak:
            self._close_peak = equity
        else:
            self._close_drawdown = max(self._close_drawdown, ratio_of(self._close_peak - equity, self._close_peak))
        self.figures = self._figures()

    def total_return(self, equity: Money) -> Ratio:
        """Gain of `equity` over the opening equity, as a part of it."""
        return ratio_of(equity - self.opening, self.opening)

    def turnover(self, traded: Money) -> Ratio:
        """`traded` notional over the average sampled equity (the opening equity before the first sample)."""
        return ratio_of(traded, self._average)

    def _figures(self) -> Figures:
        returns = self.returns
        if self.sessions < LEAST_SESSIONS or returns.count < LEAST_SESSIONS:
            return Figures()
        year = sqrt(self._per_year * returns.count / self.sessions)
        sortino = _within_range(returns.sortino, year)
        calmar = self._calmar() if self.sessions >= LEAST_SESSIONS_OF_A_YEAR else None
        sharpe, interval = _within_range(returns.sharpe, year), returns.interval
        if sharpe is None or interval is None:
            return Figures(sortino=sortino, calmar=calmar)
        low, high = (round(end * year, DECIMALS) for end in interval)
        return Figures(sharpe, low, high, returns.probability, sortino, calmar)

    def _calmar(self) -> float | None:
        """Compound annual growth over the maximum drawdown, both of the days' closes (Young 1991)."""
        if self._close_drawdown == 0 or self._first <= 0:
            return None
        growth = _annual_growth(self._first, self._close, self._per_year, self.sessions)
        return None if growth is None else _within_range(float(growth * SCALE / self._close_drawdown), 1.0)


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
        """Gross profit over gross loss (Schwager 1984); None while it would be beyond LARGEST_RATIO."""

    def add(self, pnl: Money) -> None:
        """Take one more round trip; it is won when it made more than nothing."""
        self.trades += 1
        if pnl > 0:
            self.wins += 1
            self.gross_profit += pnl
        else:
            self.gross_loss -= pnl
        told = self.gross_loss and self.gross_profit <= self.gross_loss * int(LARGEST_RATIO)
        self.profit_factor = round(self.gross_profit / self.gross_loss, DECIMALS) if told else None


def win_rate(wins: int, trades: int) -> Ratio:
    """Part of the closed round trips that were won; 0 before the first."""
    return ratio_of(wins, trades)


def _within_range(ratio: float | None, year: float) -> float | None:
    """`ratio` of one period, annualised; None where it is beyond what tells anything."""
    if ratio is None or abs(ratio * year) > LARGEST_RATIO:
        return None
    return round(ratio * year, DECIMALS)


def _annual_growth(first: Money, last: Money, per_year: int, sessions: int) -> Decimal | None:
    """(last / first) ** (per_year / sessions) - 1, by decimal logarithms because pow differs between C libraries."""
    if last <= 0:
        return Decimal(-1)
    log_growth = _DECIMAL.ln(_DECIMAL.divide(Decimal(last), Decimal(first)))
    annual = _DECIMAL.divide(_DECIMAL.multiply(log_growth, Decimal(per_year)), Decimal(sessions))
    return None if annual > _LARGEST_LOG_GROWTH else _DECIMAL.subtract(_DECIMAL.exp(annual), Decimal(1))
