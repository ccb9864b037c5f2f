"""Rows in the dead letters: as JSON, numbers in plain decimal notation, so that a person can read what was refused."""

import msgspec

from titanflow.domain.types import MAX_UNITS, decimal_of
from titanflow.gateway.bad_ticks import BadTickReason
from titanflow.gateway.numbers import units_or_text
from titanflow.gateway.providers.base import RawBar, RawBarPoint, RawQuote, RawRow, RawTick

Fault = tuple[BadTickReason, str]


def payload_of(row: RawRow, fault: Fault | None = None) -> bytes:
    """The row as JSON; `row_of` reads it back.

    A point stands for its bar, as far as that is known. A bar keeps the `fault` found: it is not played a second time.
    """
    if isinstance(row, RawBarPoint):
        known = row.position, row.symbol, row.venue, row.opened_at, row.price, row.high, row.low
        row = RawBar(*known, "", "", None, row.source, row.line)
    if isinstance(row, RawBar):
        return msgspec.json.encode(_StoredBar.of(msgspec.structs.replace(row, fault=fault or row.fault)))
    return msgspec.json.encode(_StoredQuote.of(row) if isinstance(row, RawQuote) else _StoredRow.of(row))


def row_of(payload: bytes) -> RawTick | RawQuote | RawBar:
    """The row that was stored. Raises MsgspecError for what is no row."""
    kind: type[_StoredQuote | _StoredBar | _StoredRow] = _StoredRow
    fields = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
    if "bid" in fields:
        kind = _StoredQuote
    elif "volume" in fields:
        kind = _StoredBar
    return msgspec.json.decode(payload, type=kind).raw()


def text_of(value: int | str) -> str:
    """A number of 1e-9 units in plain notation; text as it is."""
    return value if isinstance(value, str) else f"{decimal_of(value):f}"


class _StoredRow(msgspec.Struct):
    """A trade: price and size as decimal text, time in nanoseconds where it could be read."""

    position: int
    symbol: str
    venue: str
    at: int | str
    price: str
    size: str
    off_market: bool = False
    fault: Fault | None = None
    official: bool = False
    source: str = ""
    line: int = 0

    @classmethod
    def of(cls, row: RawTick) -> "_StoredRow":
        values = _storable(row.at), text_of(row.price), text_of(row.size), row.off_market, row.fault, row.official
        return cls(row.position, row.symbol, row.venue, *values, row.source, row.line)

    def raw(self) -> RawTick:
        price, size = units_or_text(self.price), units_or_text(self.size)
        place = self.position, self.symbol, self.venue, self.at
        return RawTick(*place, price, size, self.off_market, self.fault, self.official, self.source, self.line)


class _StoredQuote(msgspec.Struct):
    """A quote, likewise."""

    position: int
    symbol: str
    venue: str
    at: int | str
    bid: str
    ask: str
    fault: Fault | None = None
    source: str = ""
    line: int = 0

    @classmethod
    def of(cls, row: RawQuote) -> "_StoredQuote":
        values = _storable(row.at), text_of(row.bid), text_of(row.ask), row.fault
        return cls(row.position, row.symbol, row.venue, *values, row.source, row.line)

    def raw(self) -> RawQuote:
        bid, ask = units_or_text(self.bid), units_or_text(self.ask)
        place = self.position, self.symbol, self.venue, self.at
        return RawQuote(*place, bid, ask, self.fault, self.source, self.line)


class _StoredBar(msgspec.Struct):
    """A bar, likewise."""

    position: int
    symbol: str
    venue: str
    at: int | str
    open: str
    high: str
    low: str
    close: str
    volume: str
    fault: Fault | None = None
    source: str = ""
    line: int = 0

    @classmethod
    def of(cls, row: RawBar) -> "_StoredBar":
        return cls(
            position=row.position,
            symbol=row.symbol,
            venue=row.venue,
            at=_storable(row.at),
            open=text_of(row.open),
            high=text_of(row.high),
            low=text_of(row.low),
            close=text_of(row.close),
            volume=text_of(row.volume),
            fault=row.fault,
            source=row.source,
            line=row.line,
        )

    def raw(self) -> RawBar:
        return RawBar(
            position=self.position,
            symbol=self.symbol,
            venue=self.venue,
            at=self.at,
            open=units_or_text(self.open),
            high=units_or_text(self.high),
            low=units_or_text(self.low),
            close=units_or_text(self.close),
            volume=units_or_text(self.volume),
            fault=self.fault,
            source=self.source,
            line=self.line,
        )


def _storable(at: int | str) -> int | str:
    """JSON readers hold no larger integers; an absurd time is as well kept as text."""
    return str(at) if isinstance(at, int) and abs(at) > MAX_UNITS else at
