"""One instrument's ticks folded into bars of one length. Who uses a bar, and who is told of it, is in `engine`.

Bars are aligned to the epoch: a bar of 60 seconds opens on the minute. The first tick of an interval opens its bar, so
no bar is invented for an interval without one. A bar is closed by the first clock or tick at or past its end, before
that tick joins the next bar. A bar that has not reached its end when the session ends is never emitted.
"""

from titanflow.domain.events import BarClosed, OffMarketPrintReceived, Print, QuoteReceived
from titanflow.domain.types import NANOS_PER_SECOND, InstrumentId, Nanos


class BarBuilder:
    """The bar now open, if any: prices and volume in 1e-9 units, times in nanoseconds UTC."""

    __slots__ = ("close", "ends_at", "high", "instrument", "low", "nanos", "open", "seconds", "ticks", "volume")

    def __init__(self, instrument: InstrumentId, seconds: int) -> None:
        self.instrument = instrument
        self.seconds = seconds
        self.nanos = seconds * NANOS_PER_SECOND
        self.ends_at: Nanos = 0
        """End of the open bar; 0 while none is open, so that one comparison finds every tick that begins a bar."""
        self.open = self.high = self.low = self.close = self.volume = self.ticks = 0

    def add(self, seq: int, tick: Print) -> BarClosed | None:
        """Fold a tick in; returns the bar that it closed, if it lies at or past the end of the open one."""
        if tick.at >= self.ends_at:
            closed = self.close_due(seq, tick.at)
            self._begin(tick)
            return closed
        price = tick.price
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.volume += tick.size
        self.ticks += 1
        return None

    def add_volume(self, off_market: OffMarketPrintReceived) -> None:
        """Count a print that may not set a price: it adds volume to the open bar and never opens one."""
        if off_market.at < self.ends_at:
            self.volume += off_market.size

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
            opened_at=ends_at - self.nanos,
            open=self.open,
            high=self.high,
            low=self.low,
            close=self.close,
            volume=self.volume,
            ticks=self.ticks,
        )

    def _begin(self, tick: Print) -> None:
        self.ends_at = tick.at - tick.at % self.nanos + self.nanos
        self.open = self.high = self.low = self.close = tick.price
        self.volume = tick.size
        self.ticks = 1


class BarSpread:
    """Mean relative spread of the quotes of each bar: (ask - bid) over their middle, every quote counting the same.

    A quote stands until the next one: a bar without quotes of its own has the spread of the last one before it.
    """

    __slots__ = ("_count", "_last", "_nanos", "_opened_at", "_total")

    def __init__(self, seconds: int) -> None:
        self._nanos = seconds * NANOS_PER_SECOND
        self._opened_at: Nanos = 0
        self._total = 0.0
        self._count = 0
        self._last: float | None = None

    def add(self, quote: QuoteReceived) -> None:
        """Count a quote in the interval that it belongs to, whether or not a bar is open."""
        opened_at = quote.at - quote.at % self._nanos
        if opened_at != self._opened_at:
            self._opened_at, self._total, self._count = opened_at, 0.0, 0
        self._last = 2 * (quote.ask - quote.bid) / (quote.ask + quote.bid)
        self._total += self._last
        self._count += 1

    def of(self, opened_at: Nanos) -> float | None:
        """The spread of the bar that opened then and has just closed; None before the first quote."""
        return self._total / self._count if opened_at == self._opened_at and self._count else self._last
