"""A provider of given rows, for tests of what comes after providers."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from msgspec.structs import replace

from titanflow.domain.instruments import FeeSchedule, Instrument, InstrumentKind, TradingCalendar
from titanflow.domain.session_settings import FeedSpec
from titanflow.domain.types import NANOS_PER_SECOND, SCALE, Nanos
from titanflow.gateway.providers.base import ProviderRequest, RawBarPoint, RawQuote, RawRow, RawTick

S = NANOS_PER_SECOND
OPEN = 1_549_895_400 * S
"""2019-02-11 09:30 in New York."""
CLOSE = OPEN + 23_400 * S
NEXT_OPEN = OPEN + 86_400 * S
CALENDARS = (
    TradingCalendar("24/7", always_open=True, sessions=()),
    TradingCalendar("XNYS", always_open=False, sessions=((OPEN, CLOSE), (NEXT_OPEN, NEXT_OPEN + 23_400 * S))),
)


def instrument(symbol: str, venue: str = "XNYS", kind: InstrumentKind = InstrumentKind.EQUITY) -> Instrument:
    """An instrument by the cent and the whole unit, without fees; off XNYS it trades around the clock."""
    calendar = "XNYS" if venue == "XNYS" else "24/7"
    return Instrument(f"{symbol}.{venue}", symbol, venue, kind, SCALE // 100, SCALE, calendar, "USD", FeeSchedule())


INSTRUMENTS = (
    instrument("AAPL"),
    instrument("BTCUSDT", "BINANCE-SPOT", InstrumentKind.CRYPTO_SPOT),
    instrument("MSFT"),
    instrument("VIX", kind=InstrumentKind.INDEX),
)


def tick(at: Nanos | str, symbol: str = "AAPL", price: int | str = 100 * SCALE, size: int | str = SCALE) -> RawTick:
    """A row without a place; `GivenRows` numbers it."""
    return RawTick(0, symbol, "BINANCE-SPOT" if symbol == "BTCUSDT" else "XNYS", at, price, size)


def quote(at: Nanos | str, bid: int | str, ask: int | str, symbol: str = "AAPL") -> RawQuote:
    """A quote without a place."""
    return RawQuote(0, symbol, "BINANCE-SPOT" if symbol == "BTCUSDT" else "XNYS", at, bid, ask)


def bar(opened_at: Nanos, symbol: str = "AAPL", seconds: int = 60) -> list[RawBarPoint]:
    """A bar from 10 over 9 and 12 to 11 dollars of four shares, as its provider plays it; points without a place."""
    venue, length = "BINANCE-SPOT" if symbol == "BTCUSDT" else "XNYS", seconds * S
    times = [opened_at, opened_at + length // 3, opened_at + 2 * length // 3, opened_at + length - 1]
    prices = [dollars * SCALE for dollars in (10, 9, 12, 11)]
    legs = zip([times[0], *times], [prices[0], *prices], times, prices, strict=False)
    return [
        RawBarPoint(
            position=0,
            symbol=symbol,
            venue=venue,
            at=at,
            price=price,
            size=SCALE,
            opened_at=opened_at,
            from_at=from_at,
            from_price=from_price,
            low=9 * SCALE,
            high=12 * SCALE,
            last=at == times[-1],
            ends_at=opened_at + length,
        )
        for from_at, from_price, at, price in legs
    ]


class GivenRows:
    """The rows that it was given."""

    name: ClassVar[str] = "given"
    deterministic: ClassVar[bool] = True

    def __init__(self, request: ProviderRequest) -> None:
        self._rows: Sequence[RawRow] = ()

    @classmethod
    def of(cls, rows: Sequence[RawRow]) -> "GivenRows":
        provider = cls(ProviderRequest((), 0, {}, None))  # type: ignore[arg-type]
        provider._rows = rows
        return provider

    def feed(self) -> FeedSpec:
        return FeedSpec("given", "rows of a test", "")

    def instruments(self) -> tuple[Instrument, ...]:
        return INSTRUMENTS

    def span(self) -> tuple[Nanos, Nanos]:
        return OPEN, NEXT_OPEN

    def rows(self, start: int = 0) -> Iterator[RawRow]:
        for position, row in enumerate(self._rows):
            if position >= start:
                yield replace(row, position=position)
