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
from titanflow.domain.instruments import Instrument, TradingCalendar
from titanflow.domain.types import MAX_UNITS, NANOS_PER_SECOND, SCALE, InstrumentId, Nanos, plain_decimal
from titanflow.gateway.bad_ticks import BadTick, BadTickReason
from titanflow.gateway.numbers import units_or_text
from titanflow.gateway.providers.base import RawBar, RawBarPoint, RawQuote, RawRow, RawTick
from titanflow.gateway.stored_rows import Fault, payload_of, row_of, text_of
from titanflow.gateway.time_gate import TimeGate

MAX_JUMP_SECONDS = 5 * 24 * 3600
"""How far ahead of the feed a single row may be by default: longer than any weekend with holidays."""
MAX_JUMP_BARS = 5
"""On a tape of bars, as many of the longest bars where that is further."""

Verdict = TickReceived | OffMarketPrintReceived | OfficialPrintReceived | QuoteReceived | BadTick
"""Of a row that stands for itself."""


class Normaliser:
    """Judges the rows of one feed in order; it remembers the time of the last row that it accepted."""

    def __init__(
        self,
        instruments: Iterable[Instrument],
        *,
        calendars: Iterable[TradingCalendar] = (),
        max_jump_seconds: int = MAX_JUMP_SECONDS,
        last: Nanos = 0,
    ) -> None:
        """`max_jump_seconds`: a lone row further ahead is TIME_FAR_OFF, unless its venue was closed meanwhile.

        `last` is the time of the feed so far.
        """
        known = tuple(instruments)
        hours = {calendar.id: calendar for calendar in calendars if not calendar.always_open}
        self._hours = {i.id: hours[i.calendar] for i in known if i.calendar in hours}
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
            fault = self._fault_of_time(self._ids[pair], row.at) if pair in self._ids else _unknown(row)
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
            fault = fault or fault_of_number(field, _read(getattr(row, field)))
        zero_allowed = instrument in self._indices
        fault = fault or fault_of_number("volume", _read(row.volume), zero_allowed=zero_allowed)
        return _refused(row, fault or (BadTickReason.BAD_ROW, "a bar by itself cannot be played"))

    def _judge_slowly(self, row: RawTick, instrument: InstrumentId | None) -> Verdict:
        row = _with_numbers_read(row)
        if instrument is None:
            return _refused(row, row.fault or _unknown(row))
        fault = row.fault or self._fault_of_values(row, instrument) or self._fault_of_time(instrument, row.at)
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
        fault = row.fault or _fault_of_quote(row) or self._fault_of_time(instrument, row.at)
        if fault is not None:
            return _refused(row, fault)
        return QuoteReceived(_number(row.at), instrument, _number(row.bid), _number(row.ask))

    def _fault_of_time(self, instrument: InstrumentId, at: Nanos | str) -> Fault | None:
        return self._gate.admit(at, self._hours.get(instrument))

    def _fault_of_values(self, row: RawTick, instrument: InstrumentId) -> Fault | None:
        zero_allowed = instrument in self._indices
        return fault_of_number("price", row.price) or fault_of_number("size", row.size, zero_allowed=zero_allowed)


def longest_jump_seconds(bars: Iterable[tuple[InstrumentId, int]]) -> int:
    """How far ahead of a feed with these bars (`FeedSpec.bars`) a single row may be."""
    return max(MAX_JUMP_SECONDS, MAX_JUMP_BARS * max((seconds for _, seconds in bars), default=0))


def retry(payload: bytes, instruments: Iterable[Instrument], last: Nanos = 0) -> Verdict:
    """Judge a row that was set aside once more, under the present instruments.

    `last` is the event time that its session has reached: a row from before it comes back as OUT_OF_ORDER. Time limits
    are those of `Normaliser`. A payload that is not a row of a feed comes back as BAD_ROW.
    """
    try:
        row = row_of(payload)
    except msgspec.MsgspecError as error:
        return BadTick(BadTickReason.BAD_ROW, f"not a row of a feed: {error}", payload)
    return Normaliser(instruments, last=last).judge_row(row)


def _with_numbers_read(row: RawTick) -> RawTick:
    if isinstance(row.price, int) and isinstance(row.size, int):
        return row
    return msgspec.structs.replace(row, price=_read(row.price), size=_read(row.size))


def _read(value: int | str) -> int | str:
    return units_or_text(value) if isinstance(value, str) else value


def _number(value: int | str) -> int:
    if isinstance(value, str):
        raise TypeError(f"{value!r} was accepted as a number")
    return value


def _refused(row: RawRow, fault: Fault) -> BadTick:
    reason, detail = fault
    place = f"{row.source}, line {row.line}: " if row.source else ""
    return BadTick(reason, place + detail, payload_of(row, fault))


def _unknown(row: RawRow) -> Fault:
    found = f"{row.symbol!r} on venue {row.venue!r}"
    return BadTickReason.UNKNOWN_INSTRUMENT, f"symbol {found} is not in the catalogue of this session"


def _fault_of_quote(row: RawQuote) -> Fault | None:
    fault = fault_of_number("bid", row.bid) or fault_of_number("ask", row.ask)
    if fault is None and _number(row.ask) < _number(row.bid):
        return BadTickReason.CROSSED_QUOTE, f"ask is {text_of(row.ask)}, below the bid of {text_of(row.bid)}"
    return fault


_QUANTITIES = ("size", "volume")


def fault_of_number(field: str, value: int | str, *, zero_allowed: bool = False) -> Fault | None:
    """What is wrong with a price or a size: units of 1e-9, or the text where it could not be read as such."""
    if isinstance(value, str):
        number = plain_decimal(value)
        if number is not None and abs(number) * SCALE > MAX_UNITS:
            return BadTickReason.TOO_LARGE, f"{field} is {value}, beyond ±{text_of(MAX_UNITS)}"
        if number is not None:
            return BadTickReason.TOO_PRECISE, f"{field} is {value}, of more than nine decimals"
        return BadTickReason.NOT_A_NUMBER, f"{field} is {value!r}, not a finite decimal number"
    if value < 0 or (value == 0 and field not in _QUANTITIES):
        return BadTickReason.NOT_POSITIVE, f"{field} is {text_of(value)}, not above zero"
    if value == 0 and not zero_allowed:
        return BadTickReason.ZERO_SIZE, f"{field} is 0, which only an index may have"
    if value > MAX_UNITS:
        return BadTickReason.TOO_LARGE, f"{field} is {text_of(value)}, above {text_of(MAX_UNITS)}"
    return None
