"""What an instrument's prints have shown so far, for estimates of its costs: bars of a minute, two by two, in a window.

The minutes begin on the epoch's minutes, so that the same stretch shows the same whether it came as trades or as
bars of a minute. Where the source's bars are longer, each of them stands for a minute. Only what is complete counts.
"""

from collections import deque
from typing import NamedTuple

from titanflow.domain.events import BarPointReceived, OffMarketPrintReceived, TickReceived
from titanflow.domain.types import NANOS_PER_SECOND, SCALE, Nanos, Price, Quantity, scaled

MINUTE = 60 * NANOS_PER_SECOND
PAIRS = 120
"""How many pairs of bars a window holds."""
_SQUARE = SCALE * SCALE


class Pair(NamedTuple):
    """What one complete bar shows beside the one before it; products of price changes are parts of c' squared (1e-18).

    With o, h, l, c of a bar, its middle m = (h + l) / 2, and an accent for the bar before.
    """

    opening: int
    """(m - o) (2o - m' - c')."""
    closing: int
    """(c' - m') (m + o - 2c')."""
    openings: int
    """How many of the bar's high and low its open is not; 0 where the bar stands still at c'."""
    closings: int
    """How many of the last bar's high and low c' is not; 0 where the bar stands still at c'."""
    squared_return: int
    """Of c' to c."""
    volume: Quantity


class Window:
    """The latest pairs and their sums; adding one takes the same time however many there are."""

    __slots__ = (
        "closing",
        "closings",
        "cross",
        "opening",
        "openings",
        "pairs",
        "squared_closing",
        "squared_opening",
        "squared_returns",
        "volume",
    )

    def __init__(self) -> None:
        self.pairs: deque[Pair] = deque()
        self.opening = self.closing = self.openings = self.closings = self.squared_returns = self.volume = 0
        self.squared_opening = self.squared_closing = self.cross = 0
        """Sums of the squares of `opening` and `closing`, and of their product (1e-36)."""

    def add(self, pair: Pair) -> None:
        """The newest pair comes in; the oldest goes where there are more than PAIRS."""
        self.pairs.append(pair)
        self._count(pair, 1)
        if len(self.pairs) > PAIRS:
            self._count(self.pairs.popleft(), -1)

    def split(self, new: int, old: int) -> None:
        """Volumes of before a split of `new` for `old` are told in the new shares; all else is a part of the price."""
        self.pairs = deque(pair._replace(volume=scaled(pair.volume * new, old)) for pair in self.pairs)
        self.volume = sum(pair.volume for pair in self.pairs)

    def _count(self, pair: Pair, sign: int) -> None:
        opening, closing, openings, closings, squared_return, volume = pair
        self.opening += sign * opening
        self.closing += sign * closing
        self.openings += sign * openings
        self.closings += sign * closings
        self.squared_returns += sign * squared_return
        self.volume += sign * volume
        self.squared_opening += sign * opening * opening
        self.squared_closing += sign * closing * closing
        self.cross += sign * opening * closing


class Tape:
    """One instrument: the bar under way, the one before it, and the window of complete pairs."""

    __slots__ = (
        "bar_nanos",
        "close",
        "ends_at",
        "high",
        "last",
        "longest_gap",
        "low",
        "open",
        "started_at",
        "volume",
        "window",
    )

    def __init__(self, bar_seconds: int = 0) -> None:
        """`bar_seconds` is the length of the source's bars; 0 for trades."""
        self.bar_nanos = max(bar_seconds * NANOS_PER_SECOND, MINUTE)
        # A pair stands within one session: minutes of a thin share may be half an hour apart, days a long week-end.
        self.longest_gap = max(30 * MINUTE, 4 * self.bar_nanos)
        self.started_at: Nanos = -1
        self.ends_at: Nanos = 0
        self.open: Price = 0
        self.high: Price = 0
        self.low: Price = 0
        self.close: Price = 0
        self.volume: Quantity = 0
        self.last: tuple[Nanos, Price, Price, Price] | None = None
        """Start, high, low and close of the bar before."""
        self.window = Window()

    def add(self, tick: TickReceived) -> None:
        """A trade printed."""
        if tick.at >= self.ends_at:
            self._begin(tick.at - tick.at % MINUTE, tick.price)
        price = tick.price
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.volume += tick.size

    def add_point(self, point: BarPointReceived) -> None:
        """A bar of the source was played as far as this point."""
        start = point.opened_at
        if self.bar_nanos == MINUTE:
            start -= start % MINUTE
        if start != self.started_at:
            self._begin(start, point.price)
        price = point.price
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.volume += point.size

    def add_volume(self, off_market: OffMarketPrintReceived) -> None:
        """A print that sets no price is volume of the bar under way."""
        if off_market.at < self.ends_at:
            self.volume += off_market.size

    def split(self, new: int, old: int) -> None:
        """What was seen before a split of `new` for `old` is told in the new shares."""
        self.open, self.high, self.low, self.close = (
            scaled(price * old, new) for price in (self.open, self.high, self.low, self.close)
        )
        self.volume = scaled(self.volume * new, old)
        if self.last is not None:
            start, high, low, close = self.last
            self.last = start, scaled(high * old, new), scaled(low * old, new), scaled(close * old, new)
        self.window.split(new, old)

    def _begin(self, start: Nanos, price: Price) -> None:
        """The bar under way is complete; another one opens."""
        if self.started_at >= 0:
            last = self.last
            if last is not None and self.started_at - last[0] <= self.longest_gap:
                self.window.add(self._pair(*last[1:]))
            self.last = self.started_at, self.high, self.low, self.close
        self.started_at = start
        self.ends_at = start + self.bar_nanos
        self.open = self.high = self.low = self.close = price
        self.volume = 0

    def _pair(self, high: Price, low: Price, close: Price) -> Pair:
        """The complete bar beside the one before it, of which these are the high, low and close."""
        first, middles, last_middles = self.open, self.high + self.low, high + low
        moves = not self.high == self.low == close
        square = close * close
        opening = (middles - 2 * first) * (4 * first - last_middles - 2 * close)
        closing = (2 * close - last_middles) * (middles + 2 * first - 4 * close)
        change = self.close - close
        return Pair(
            scaled(opening * _SQUARE, 4 * square),
            scaled(closing * _SQUARE, 4 * square),
            moves * ((first != self.high) + (first != self.low)),
            moves * ((close != high) + (close != low)),
            scaled(change * change * _SQUARE, square),
            self.volume,
        )
