"""How far a protective stop lies from its entry: average true ranges of bars that risk folds from prints itself."""

from collections.abc import Mapping
from math import isqrt

from titanflow.domain.events import Print, SessionStarted
from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.types import NANOS_PER_SECOND, InstrumentId, Nanos, Price, Ratio, Side, floor_to, portion, scaled

WINDOW = 14
"""Bars of the average: J. W. Wilder, "New Concepts in Technical Trading Systems", 1978."""
FEWEST = 3
"""Bars from which on it is used; before, the strategy's own range stands for it."""
TICK_CONTEXT_SECONDS = 60
"""Length of the bars behind the range of a contender that decides on ticks."""


class RangeBars:
    """The open bar of one instrument, and the average true range of those before it.

    Bars are aligned to the session's opening and end with it; without one they are aligned to the epoch. Where
    positions are closed every day, a night belongs to no range.
    """

    __slots__ = (
        "_average",
        "_calendar",
        "_close",
        "_count",
        "_ends_at",
        "_high",
        "_low",
        "_nanos",
        "_nights",
        "_session",
    )

    def __init__(self, seconds: int, calendar: TradingCalendar | None, *, nights: bool) -> None:
        self._nanos = seconds * NANOS_PER_SECOND
        self._calendar = calendar
        self._nights = nights
        self._session: Nanos = -1
        self._ends_at: Nanos = 0
        self._high = self._low = self._close = self._average = self._count = 0

    def add(self, at: Nanos, price: Price) -> None:
        """Fold a print in."""
        if at >= self._ends_at:
            self._begin(at, price)
        elif price > self._high:
            self._high = price
        elif price < self._low:
            self._low = price
        self._close = price

    def split(self, new: int, old: int) -> None:
        """Restate what was seen in the shares after a split of `new` for `old`."""
        self._high, self._low, self._close, self._average = (
            scaled(price * old, new) for price in (self._high, self._low, self._close, self._average)
        )

    def average(self, at: Nanos) -> Price:
        """Average true range of the bars that ended by `at`; 0 while they are fewer than FEWEST."""
        if self._ends_at and at >= self._ends_at:
            self._end()
        return self._average if self._count >= FEWEST else 0

    def _begin(self, at: Nanos, price: Price) -> None:
        if self._ends_at:
            self._end()
        session = self._calendar.session_at(at) if self._calendar else None
        opens, closes = session or (0, 1 << 63)
        follows = opens == self._session or self._nights
        self._session = opens
        self._ends_at = min(at - (at - opens) % self._nanos + self._nanos, closes)
        last = self._close if self._close and follows else price
        self._high, self._low = max(price, last), min(price, last)

    def _end(self) -> None:
        """Take the true range of the open bar into the average; its high and low began at the close before it."""
        self._ends_at = 0
        spread = self._high - self._low
        self._count = min(self._count + 1, WINDOW)
        self._average += (spread - self._average) // self._count


class TrueRanges:
    """Average true ranges of every instrument of a session, in bars no shorter than those that its tape has."""

    def __init__(self) -> None:
        self._bars: dict[InstrumentId, RangeBars] = {}
        self._seconds: Mapping[InstrumentId, int] = {}
        self._of_tape: Mapping[InstrumentId, int] = {}

    def open(self, started: SessionStarted) -> None:
        """Set up the bars of each instrument."""
        risk = started.settings.risk
        calendars = {each.id: each for each in started.calendars}
        self._of_tape = dict(started.feed.bars)
        self._seconds = {each.id: self._length(each.id, risk.stop_bar_seconds) for each in started.instruments}
        for each in started.instruments:
            calendar = calendars.get(each.calendar)
            self._bars[each.id] = RangeBars(self._seconds[each.id], calendar, nights=not risk.flat_at_close)

    def add(self, tick: Print) -> None:
        """Fold a print in."""
        bars = self._bars.get(tick.instrument)
        if bars is not None:
            bars.add(tick.at, tick.price)

    def split(self, instrument: InstrumentId, new: int, old: int) -> None:
        """Ranges of before a split are told in the new shares."""
        self._bars[instrument].split(new, old)

    def known(self, instrument: InstrumentId, at: Nanos) -> Price:
        """The average true range of the longer bars; 0 while too few of them have ended."""
        return self._bars[instrument].average(at)

    def scaled(self, instrument: InstrumentId, atr: Price, bar_seconds: int) -> Price:
        """A strategy's average true range of its own bars, made one of the longer bars.

        The range of a price grows with the square root of time: M. Parkinson, "The Extreme Value Method for
        Estimating the Variance of the Rate of Return", 1980. A longer bar than ours is not made shorter.
        """
        own, wanted = self._length(instrument, bar_seconds or TICK_CONTEXT_SECONDS), self._seconds[instrument]
        return isqrt(atr * atr * wanted // own) if own < wanted else atr

    def _length(self, instrument: InstrumentId, seconds: int) -> int:
        """The shortest multiple of the tape's bars that is not shorter than `seconds`."""
        bar = self._of_tape.get(instrument, 1)
        return -(-seconds // bar) * bar


def stop_distance(price: Price, atr: Price, multiple: Ratio, floor: Ratio, cap: Ratio) -> Price:
    """`multiple` average true ranges, but at least `floor` and at most `cap` of the price."""
    return min(max(portion(atr, multiple), portion(price, floor)), portion(price, cap))


def protective_stop(price: Price, distance: Price, side: Side, increment: Price) -> Price:
    """The stop of an entry at `price`: `distance` away, on the next price increment further away."""
    if side is Side.BUY:
        return floor_to(price - distance, increment)
    return -floor_to(-(price + distance), increment)
