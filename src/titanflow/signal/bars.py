"""One instrument's prints folded into bars of one length. Who uses a bar, and who is told of it, is in `engine`.

Where bars begin and end says `intervals`; on a tape of bars, none ends within a bar of the tape. The first print of an
interval opens its bar, so no bar is invented for an interval without one. A bar is closed by the first clock or print
at or past its end, before that print joins the next bar. One that has not ended when the session ends is never emitted.
"""

from titanflow.domain.events import BarClosed, BarPointReceived, OffMarketPrintReceived, Print, QuoteReceived
from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.types import InstrumentId, Nanos, scaled
from titanflow.signal.intervals import Interval, Intervals


class BarBuilder:
    """The bar now open, if any: prices and volume in 1e-9 units, times in nanoseconds UTC."""

    __slots__ = (
        "_intervals",
        "_is_the_tapes",
        "close",
        "ends_at",
        "high",
        "instrument",
        "low",
        "open",
        "opened_at",
        "seconds",
        "ticks",
        "volume",
    )

    def __init__(
        self,
        instrument: InstrumentId,
        seconds: int,
        calendar: TradingCalendar | None = None,
        tape_seconds: int = 0,
    ) -> None:
        """`tape_seconds`: length of the tape's own bars of the instrument; 0 for trades."""
        self.instrument = instrument
        self.seconds = seconds
        self._intervals = Intervals(seconds, calendar)
        self._is_the_tapes = seconds == tape_seconds
        """Whether each bar is one of the tape."""
        self.opened_at: Nanos = 0
        self.ends_at: Nanos = 0
        """End of the open bar; 0 while none is open, so that one comparison finds every print that begins a bar."""
        self.open = self.high = self.low = self.close = self.volume = self.ticks = 0

    def add(self, seq: int, tick: Print) -> BarClosed | None:
        """Fold a print in; returns the bar that it closed, if it lies at or past the end of the open one."""
        if tick.at < self.ends_at:
            self.fold(tick)
            return None
        return self.turn(seq, tick)

    def fold(self, tick: Print) -> None:
        """Fold in a print that lies before the end of the open bar."""
        price = tick.price
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.volume += tick.size
        self.ticks += 1
        if type(tick) is BarPointReceived and tick.ends_at > self.ends_at:
            self.ends_at = tick.ends_at

    def turn(self, seq: int, tick: Print) -> BarClosed | None:
        """Begin a bar with a print that lies at or past the end of the open one; returns that one, if there is any."""
        closed = self.close_due(seq, tick.at)
        interval = self._interval_of(tick)
        if interval is not None:
            self.opened_at, self.ends_at = interval
            self.open = self.high = self.low = self.close = tick.price
            self.volume = tick.size
            self.ticks = 1
        return closed

    def add_volume(self, off_market: OffMarketPrintReceived) -> None:
        """Count a print that may not set a price: it adds volume to the open bar and never opens one."""
        if off_market.at < self.ends_at:
            self.volume += off_market.size

    def split(self, new: int, old: int) -> None:
        """`new` shares for each `old` from now on: what the open bar has seen is told in the new ones."""
        self.open, self.high, self.low, self.close = (
            scaled(price * old, new) for price in (self.open, self.high, self.low, self.close)
        )
        self.volume = scaled(self.volume * new, old)

    def close_due(self, seq: int, at: Nanos) -> BarClosed | None:
        """The open bar, closed by the event `seq` at `at`, if its end is reached."""
        ends_at = self.ends_at
        if not ends_at or at < ends_at:
            return None
        self.ends_at = 0
        return BarClosed(
            cause=seq,
            at=at,
            instrument=self.instrument,
            seconds=self.seconds,
            opened_at=self.opened_at,
            open=self.open,
            high=self.high,
            low=self.low,
            close=self.close,
            volume=self.volume,
            ticks=self.ticks,
            ends_at=ends_at,
        )

    def _interval_of(self, tick: Print) -> Interval | None:
        """The interval of the bar that this print begins; None where it is of none."""
        if type(tick) is not BarPointReceived or not tick.ends_at:
            return self._intervals.around(tick.at)
        if self._is_the_tapes:
            return Interval(tick.opened_at, tick.ends_at)
        interval = self._intervals.around(tick.opened_at)
        return interval and Interval(interval.opened_at, max(interval.ends_at, tick.ends_at))


class BarSpread:
    """Mean relative spread of the quotes of each bar: (ask - bid) over their middle, every quote counting the same.

    A quote stands until the next one: a bar without quotes of its own has the spread of the last one before it.
    """

    __slots__ = ("_count", "_intervals", "_last", "_opened_at", "_total")

    def __init__(self, seconds: int, calendar: TradingCalendar | None = None) -> None:
        self._intervals = Intervals(seconds, calendar)
        self._opened_at: Nanos = 0
        self._total = 0.0
        self._count = 0
        self._last: float | None = None

    def add(self, quote: QuoteReceived) -> None:
        """Count a quote in the interval that it belongs to, whether or not a bar is open."""
        self._last = 2 * (quote.ask - quote.bid) / (quote.ask + quote.bid)
        interval = self._intervals.around(quote.at)
        if interval is None:
            return
        if interval.opened_at != self._opened_at:
            self._opened_at, self._total, self._count = interval.opened_at, 0.0, 0
        self._total += self._last
        self._count += 1

    def of(self, opened_at: Nanos) -> float | None:
        """The spread of the bar that opened then and has just closed; None before the first quote."""
        return self._total / self._count if opened_at == self._opened_at and self._count else self._last
