"""What can be traded and when: instruments, their fees and increments, and the opening hours of their venues."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from titanflow.domain.types import SCALE, InstrumentId, Money, Nanos, Price, Quantity, Ratio, portion, worth


class InstrumentKind(StrEnum):
    """What an instrument is; an index is quoted but cannot be traded."""

    EQUITY = "equity"
    CRYPTO_SPOT = "crypto_spot"
    PERPETUAL = "perpetual"
    INDEX = "index"
    FUTURE = "future"
    """Known, and refused where it could be traded: margin and daily settlement are not booked."""
    FX = "fx"
    """A currency pair, paid in full: the base currency is held, the quote currency is the account's."""


class FeeSchedule(Struct, frozen=True, array_like=True):
    """Commission of one fill: a part of its notional plus an amount a unit, at least `minimum` (dollars in 1e-9)."""

    notional_ratio: Ratio = 0
    per_unit: Price = 0
    minimum: Money = 0


class Instrument(Struct, frozen=True, array_like=True):
    """One symbol on one venue. Increments are the steps in which orders may be priced and sized (1e-9 units)."""

    id: InstrumentId
    symbol: str
    venue: str
    kind: InstrumentKind
    price_increment: Price
    quantity_increment: Quantity
    calendar: str
    currency: str
    fees: FeeSchedule
    """In money of the accounts, as a session records it."""
    multiplier: Ratio = SCALE
    """Units of what is priced in one unit of quantity: the size of a contract."""
    rate: Ratio = SCALE
    """Money of the accounts for one unit of `currency`."""

    @property
    def tradable(self) -> bool:
        """False for an index."""
        return self.kind is not InstrumentKind.INDEX

    @property
    def factor(self) -> Ratio:
        """Money of the accounts for one unit of price and quantity."""
        return portion(self.multiplier, self.rate)

    def value(self, price: Price, quantity: Quantity) -> Money:
        """What `quantity` is worth at `price`, in money of the accounts."""
        return worth(price, quantity, self.factor)

    def unit_value(self, price: Price) -> Money:
        """What one unit is worth at `price`, rounded up: a limit is never passed by rounding."""
        return -(-price * self.factor // SCALE)


def factors_of(instruments: Iterable[Instrument]) -> dict[InstrumentId, Ratio]:
    """Instrument -> its factor, of those for which it is not one."""
    return {each.id: each.factor for each in instruments if each.factor != SCALE}


class TradingCalendar(Struct, frozen=True, array_like=True):
    """Regular sessions of a venue as [open, close) in nanoseconds UTC, ascending; `always_open` for crypto venues.

    The sessions that a trading session may need are recorded with it, so that deciding and replaying ask no library.
    """

    id: str
    always_open: bool
    sessions: tuple[tuple[Nanos, Nanos], ...]

    def session_at(self, at: Nanos) -> tuple[Nanos, Nanos] | None:
        """The [open, close) that contains `at`, or None when the venue is closed or always open (see `always_open`)."""
        index = bisect_right(self.sessions, at, key=_opening) - 1
        if index >= 0 and at < self.sessions[index][1]:
            return self.sessions[index]
        return None

    def is_open(self, at: Nanos) -> bool:
        """Whether the venue trades at `at`."""
        return self.always_open or self.session_at(at) is not None

    def next_change(self, at: Nanos) -> Nanos | None:
        """The first opening or closing after `at`; None where none is recorded."""
        index = bisect_right(self.sessions, at, key=_opening)
        if index and at < self.sessions[index - 1][1]:
            return self.sessions[index - 1][1]
        return self.sessions[index][0] if index < len(self.sessions) else None

    def last_close(self, at: Nanos) -> Nanos | None:
        """The latest close that is not after `at`; None where there is none."""
        index = bisect_right(self.sessions, at, key=_closing) - 1
        return self.sessions[index][1] if index >= 0 else None

    def close_of_last(self, at: Nanos) -> Nanos | None:
        """The close of the latest session that has opened by `at`, past or not; None where there is none."""
        index = bisect_right(self.sessions, at, key=_opening) - 1
        return self.sessions[index][1] if index >= 0 else None

    def next_close(self, at: Nanos) -> Nanos | None:
        """The first close after `at`: of the session under way, else of the next; None where none is known."""
        index = bisect_right(self.sessions, at, key=_closing)
        return self.sessions[index][1] if index < len(self.sessions) else None

    def sessions_between(self, after: Nanos, before: Nanos) -> int:
        """How many sessions lie wholly between two moments."""
        first = bisect_left(self.sessions, after, key=_opening)
        return max(0, bisect_right(self.sessions, before, key=_closing) - first)


def _opening(session: tuple[Nanos, Nanos]) -> Nanos:
    return session[0]


def _closing(session: tuple[Nanos, Nanos]) -> Nanos:
    return session[1]
