"""Is the price of a trade plausible? The rule by which a lone print far off the recent range sets no price.

A pure function of the feed's trades: the same rows are judged the same, wherever the feed is taken up.
"""

from collections import deque
from collections.abc import Iterable, Mapping

from titanflow.domain.events import OffMarketPrintReceived, TickReceived
from titanflow.domain.instruments import Instrument, TradingCalendar
from titanflow.domain.types import NANOS_PER_SECOND, SCALE, InstrumentId, Nanos, OffMarketReason, Price, Ratio

PRINT_BAND: Ratio = 50_000_000
"""5 %: the band of the Limit Up-Limit Down plan for large US shares above 3 dollars, and of FINRA rule 11892 for a
clearly erroneous trade between 25 and 50 dollars."""
RECENT_PRINTS = 20
"""Trades that make the recent range: the last so many that set a price."""
LEAST_INCREMENTS = 3
"""The band is never narrower than so many price increments: a cheap share moves by more than 5 % in one of them."""
_BEYOND = 1 << 63
"""Above every price and every time."""


class PrintBand:
    """Admits trades within a band around each instrument's recent range; one beyond it waits for a second one.

    The recent range is from the lowest to the highest of the last `RECENT_PRINTS` trades that set a price. A trade more
    than `band` (as a part of the range's end) beyond it is suspected: it is volume only. The instrument's next trade
    decides: within half the band of the suspect it confirms, and the price moves; within the range it clears; anything
    else is suspected in its place. The first trade after a closure, or after more than `max_gap_seconds` without one,
    sets a price whatever it is; beyond the range, it begins a new one.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        calendars: Iterable[TradingCalendar],
        band: Ratio,
        max_gap_seconds: int,
    ) -> None:
        """`band` as a part of the price (1e-9); 0 admits every trade."""
        by_id = {calendar.id: calendar for calendar in calendars}
        self._band = band
        self._max_gap = max_gap_seconds * NANOS_PER_SECOND
        self.ranges: Mapping[InstrumentId, RecentRange] = {
            i.id: RecentRange(by_id[i.calendar], LEAST_INCREMENTS * i.price_increment) for i in instruments
        }
        """What a trade is held against: one near its instrument's last ones needs no judgement."""

    def forget(self, instrument: InstrumentId) -> None:
        """Measure the next trade by nothing: the shares were split."""
        self.ranges[instrument].forget()

    def judge(self, trade: TickReceived) -> TickReceived | OffMarketPrintReceived:
        """The trade itself where it may set a price, else what it is instead."""
        recent, price = self.ranges[trade.instrument], trade.price
        if not (recent.reaches(price, self._band) or recent.is_confirmed_by(price, self._band >> 1)):
            if not recent.is_over(trade.at, self._max_gap):
                recent.suspect_print(price)
                unconfirmed = OffMarketReason.UNCONFIRMED
                return OffMarketPrintReceived(trade.at, trade.instrument, price, trade.size, unconfirmed)
            recent.prices.clear()
        recent.add(trade.at, price, self._band)
        return trade


class RecentRange:
    """The recent prices of one instrument.

    A trade from `near_floor` to `near_ceiling` lies within the band for certain: the feed only adds its price and time.
    """

    __slots__ = ("_calendar", "_least", "_suspect", "last_at", "near_ceiling", "near_floor", "prices")

    def __init__(self, calendar: TradingCalendar, least: Price) -> None:
        self._calendar = calendar
        self._least = least
        self._suspect: Price = 0
        """The price of the trade just before where that is suspected, else 0."""
        self.prices: deque[Price] = deque(maxlen=RECENT_PRINTS)
        self.last_at: Nanos = 0
        """When the last of them was set."""
        self.near_floor: Price = _BEYOND
        self.near_ceiling: Price = 0

    def reaches(self, price: Price, band: Ratio) -> bool:
        """Whether `price` lies within the band around the recent prices."""
        if not self.prices:
            return False
        low, high = min(self.prices), max(self.prices)
        return low - max(low * band // SCALE, self._least) <= price <= high + max(high * band // SCALE, self._least)

    def is_confirmed_by(self, price: Price, half: Ratio) -> bool:
        """Whether `price` lies so near the suspect that the two speak for each other."""
        suspect = self._suspect
        return suspect > 0 and abs(price - suspect) <= max(suspect * half // SCALE, self._least)

    def is_over(self, at: Nanos, max_gap: Nanos) -> bool:
        """Whether its venue closed or opened since its last price, or it was silent for long; or there is none yet."""
        if not self.prices or at - self.last_at > max_gap:
            return True
        change = None if self._calendar.always_open else self._calendar.next_change(self.last_at)
        return change is not None and change <= at

    def forget(self) -> None:
        """Begin anew with the next trade, whatever its price."""
        self.prices.clear()
        self.suspect_print(0)

    def suspect_print(self, price: Price) -> None:
        """Hold a price until the next trade, which is then judged in any case."""
        self._suspect = price
        self.near_floor = _BEYOND

    def add(self, at: Nanos, price: Price, band: Ratio) -> None:
        """Set a price. A later one within a quarter of the band of it is within the band of every one between."""
        self.prices.append(price)
        self.last_at = at
        self._suspect = 0
        near = price * band // (4 * SCALE)
        self.near_floor, self.near_ceiling = price - near, price + near
