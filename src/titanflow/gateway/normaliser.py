"""Judging raw rows: each becomes a trade, an off-market or official print or a quote, or a BadTick with its reason.

The verdict depends on the row and on the last accepted one, nothing else, so that a feed read again judges the same.
"""

from collections.abc import Iterable

import msgspec

from titanflow.domain.events import (
    BarPointReceived,
    OfficialPrintReceived,
    OffMarketPrintReceived,
    QuoteReceived,
    TickReceived,
)
from titanflow.domain.instruments import Instrument
from titanflow.domain.types import MAX_UNITS, NANOS_PER_SECOND, InstrumentId, Nanos, decimal_of
from titanflow.gateway.bad_ticks import BadTick, BadTickReason
from titanflow.gateway.numbers import finite, units_or_text
from titanflow.gateway.providers.base import RawBar, RawBarPoint, RawQuote, RawRow, RawTick
from titanflow.gateway.time_gate import TimeGate

MAX_JUMP_SECONDS = 5 * 24 * 3600
"""How far ahead of the feed a single row may be by default: longer than any weekend with holidays."""

Verdict = TickReceived | OffMarketPrintReceived | OfficialPrintReceived | QuoteReceived | BadTick
"""Of a row that stands for itself."""
Fault = tuple[BadTickReason, str]


class Normaliser:
    """Judges the rows of one feed in order; it remembers the time of the last row that it accepted."""

    def __init__(
        self, instruments: Iterable[Instrument], *, max_jump_seconds: int = MAX_JUMP_SECONDS, last: Nanos = 0
    ) -> None:
        """`max_jump_seconds`: a lone row further ahead than this is TIME_FAR_OFF. `last`: time of the feed so far."""
        known = tuple(instruments)
        self._ids: dict[tuple[str, str], InstrumentId] = {(i.symbol, i.venue): i.id for i in known}
        self._indices = frozenset(i.id for i in known if not i.tradable)
        self._gate = TimeGate(max_jump_seconds * NANOS_PER_SECOND)
        if last:
            self._gate.move_to(last)
        self._refused: set[tuple[str, str]] = set()
        """Symbol and venue of those whose present bar was refused."""

    def judge(self, row: RawRow) -> Verdict | BarPointReceived | None:
        """The event that the row stands for, or why it stands for none; None for the rest of a bar that was refused."""
        if isinstance(row, RawBarPoint):
            return self._judge_point(row)
        return self.judge_row(row)

    def judge_row(self, row: RawTick | RawQuote | RawBar) -> Verdict:
        """The same for a row that stands for itself."""
        at, price, size = row.at, row.price, row.size
        instrument = self._ids.get((row.symbol, row.venue))
        gate = self._gate
        if (
            type(at) is int
            and type(price) is int
            and type(size) is int
            and instrument is not None
            and gate.last <= at <= gate.horizon
            and 0 < price <= MAX_UNITS
            and 0 < size <= MAX_UNITS
            and gate.suspect is None
            and row.fault is None
            and not row.off_market
        ):
            gate.last = at
            gate.horizon = at + gate.max_jump
            return TickReceived(at, instrument, price, size)
        if isinstance(row, RawBar):
            return self._refused_bar(row, instrument)
        return self._judge_quote(row, instrument) if isinstance(row, RawQuote) else self._judge_slowly(row, instrument)

    def _judge_point(self, row: RawBarPoint) -> BarPointReceived | BadTick | None:
        """A bar is judged as a whole: the point that opens it decides on all."""
        pair, gate = (row.symbol, row.venue), self._gate
        if row.at == row.opened_at:
            fault = _unknown(row) if pair not in self._ids else gate.admit(row.at)
        elif pair in self._refused:
            return None
        elif row.at < gate.last:
            fault = gate.admit(row.at)
        else:
            fault = None
            gate.move_to(row.at)
        if fault is not None:
            self._refused.add(pair)
            return _refused(row, fault)
        self._refused.discard(pair)
        return BarPointReceived(
            row.at,
            self._ids[pair],
            row.price,
            row.size,
            row.opened_at,
            row.from_at,
            row.from_price,
            row.low,
            row.high,
            row.last,
            row.ends_at,
        )

    def _refused_bar(self, row: RawBar, instrument: InstrumentId | None) -> BadTick:
        """Why a bar that its provider did not play cannot be played."""
        if row.fault is not None or instrument is None:
            return _refused(row, row.fault or _unknown(row))
        fault = None
        for field in ("open", "high", "low", "close"):
            fault = fault or _fault_of_number(field, _read(getattr(row, field)))
        zero_allowed = instrument in self._indices
        fault = fault or _fault_of_number("volume", _read(row.volume), zero_allowed=zero_allowed)
        return _refused(row, fault or (BadTickReason.BAD_ROW, "a bar by itself cannot be played"))

    def _judge_slowly(self, row: RawTick, instrument: InstrumentId | None) -> Verdict:
        row = _with_numbers_read(row)
        if instrument is None:
            return _refused(row, row.fault or _unknown(row))
        fault = row.fault or self._fault_of_values(row, instrument) or self._gate.admit(row.at)
        if fault is not None:
            return _refused(row, fault)
        printed = _number(row.at), instrument, _number(row.price), _number(row.size)
        if row.official:
            return OfficialPrintReceived(*printed)
        return OffMarketPrintReceived(*printed) if row.off_market else TickReceived(*printed)

    def _judge_quote(self, row: RawQuote, instrument: InstrumentId | None) -> Verdict:
        row = msgspec.structs.replace(row, bid=_read(row.bid), ask=_read(row.ask))
        if instrument is None:
            return _refused(row, row.fault or _unknown(row))
        fault = row.fault or _fault_of_quote(row) or self._gate.admit(row.at)
        if fault is not None:
            return _refused(row, fault)
        return QuoteReceived(_number(row.at), instrument, _number(row.bid), _number(row.ask))

    def _fault_of_values(self, row: RawTick, instrument: InstrumentId) -> Fault | None:
        zero_allowed = instrument in self._indices
        return _fault_of_number("price", row.price) or _fault_of_number("size", row.size, zero_allowed=zero_allowed)


def retry(payload: bytes, instruments: Iterable[Instrument], last: Nanos = 0) -> Verdict:
    """Judge a row that was set aside once more, under the present instruments.

    `last` is the event time that its session has reached: a row from before it comes back as OUT_OF_ORDER. Time limits
    are those of `Normaliser`. A payload that is not a row of a feed comes back as BAD_ROW.
    """
    try:
        row = _stored(payload)
    except msgspec.MsgspecError as error:
        return BadTick(BadTickReason.BAD_ROW, f"not a row of a feed: {error}", payload)
    return Normaliser(instruments, last=last).judge_row(row)


def payload_of(row: RawRow, fault: Fault | None = None) -> bytes:
    """The row as JSON, numbers in plain decimal notation; `retry` reads it back.

    A point stands for its bar, as far as that is known. A bar keeps the `fault` found: it is not played a second time.
    """
    if isinstance(row, RawBarPoint):
        row = RawBar(row.position, row.symbol, row.venue, row.opened_at, row.price, row.high, row.low, "", "")
    if isinstance(row, RawBar):
        return msgspec.json.encode(_StoredBar.of(msgspec.structs.replace(row, fault=fault or row.fault)))
    return msgspec.json.encode(_StoredQuote.of(row) if isinstance(row, RawQuote) else _StoredRow.of(row))


def _stored(payload: bytes) -> RawTick | RawQuote | RawBar:
    kind: type[_StoredQuote | _StoredBar | _StoredRow] = _StoredRow
    fields = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
    if "bid" in fields:
        kind = _StoredQuote
    elif "volume" in fields:
        kind = _StoredBar
    return msgspec.json.decode(payload, type=kind).raw()


class _StoredRow(msgspec.Struct):
    """A row in the dead letters: price and size as decimal text, time in nanoseconds where it could be read."""

    position: int
    symbol: str
    venue: str
    at: int | str
    price: str
    size: str
    off_market: bool = False
    fault: Fault | None = None
    official: bool = False

    @classmethod
    def of(cls, row: RawTick) -> "_StoredRow":
        at, price, size = _storable(row.at), _text(row.price), _text(row.size)
        return cls(row.position, row.symbol, row.venue, at, price, size, row.off_market, row.fault, row.official)

    def raw(self) -> RawTick:
        price, size = units_or_text(self.price), units_or_text(self.size)
        place = self.position, self.symbol, self.venue, self.at
        return RawTick(*place, price, size, self.off_market, self.fault, self.official)


class _StoredQuote(msgspec.Struct):
    """A quote in the dead letters, likewise."""

    position: int
    symbol: str
    venue: str
    at: int | str
    bid: str
    ask: str
    fault: Fault | None = None

    @classmethod
    def of(cls, row: RawQuote) -> "_StoredQuote":
        at, bid, ask = _storable(row.at), _text(row.bid), _text(row.ask)
        return cls(row.position, row.symbol, row.venue, at, bid, ask, row.fault)

    def raw(self) -> RawQuote:
        bid, ask = units_or_text(self.bid), units_or_text(self.ask)
        return RawQuote(self.position, self.symbol, self.venue, self.at, bid, ask, self.fault)


class _StoredBar(msgspec.Struct):
    """A bar in the dead letters, likewise."""

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

    @classmethod
    def of(cls, row: RawBar) -> "_StoredBar":
        return cls(
            position=row.position,
            symbol=row.symbol,
            venue=row.venue,
            at=_storable(row.at),
            open=_text(row.open),
            high=_text(row.high),
            low=_text(row.low),
            close=_text(row.close),
            volume=_text(row.volume),
            fault=row.fault,
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
        )


def _storable(at: int | str) -> int | str:
    """JSON readers hold no larger integers; an absurd time is as well kept as text."""
    return str(at) if isinstance(at, int) and abs(at) > MAX_UNITS else at


def _with_numbers_read(row: RawTick) -> RawTick:
    if isinstance(row.price, int) and isinstance(row.size, int):
        return row
    return msgspec.structs.replace(row, price=_read(row.price), size=_read(row.size))


def _read(value: int | str) -> int | str:
    return units_or_text(value) if isinstance(value, str) else value


def _text(value: int | str) -> str:
    return value if isinstance(value, str) else f"{decimal_of(value):f}"


def _number(value: int | str) -> int:
    if isinstance(value, str):
        raise TypeError(f"{value!r} was accepted as a number")
    return value


def _refused(row: RawRow, fault: Fault) -> BadTick:
    reason, detail = fault
    return BadTick(reason, detail, payload_of(row, fault))


def _unknown(row: RawRow) -> Fault:
    found = f"{row.symbol!r} on venue {row.venue!r}"
    return BadTickReason.UNKNOWN_INSTRUMENT, f"symbol {found} is not in the catalogue of this session"


def _fault_of_quote(row: RawQuote) -> Fault | None:
    fault = _fault_of_number("bid", row.bid) or _fault_of_number("ask", row.ask)
    if fault is None and _number(row.ask) < _number(row.bid):
        return BadTickReason.CROSSED_QUOTE, f"ask is {_text(row.ask)}, below the bid of {_text(row.bid)}"
    return fault


_QUANTITIES = ("size", "volume")


def _fault_of_number(field: str, value: int | str, *, zero_allowed: bool = False) -> Fault | None:
    if isinstance(value, str):
        if finite(value) is not None:
            return BadTickReason.TOO_LARGE, f"{field} is {value}, beyond ±{_text(MAX_UNITS)}"
        return BadTickReason.NOT_A_NUMBER, f"{field} is {value!r}, not a finite decimal number"
    if value < 0 or (value == 0 and field not in _QUANTITIES):
        return BadTickReason.NOT_POSITIVE, f"{field} is {_text(value)}, not above zero"
    if value == 0 and not zero_allowed:
        return BadTickReason.ZERO_SIZE, f"{field} is 0, which only an index may have"
    if value > MAX_UNITS:
        return BadTickReason.TOO_LARGE, f"{field} is {_text(value)}, above {_text(MAX_UNITS)}"
    return None
