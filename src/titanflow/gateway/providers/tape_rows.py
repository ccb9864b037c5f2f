"""The rows of one tape file, of trades or of bars, in the order in which they are played."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from titanflow.domain.types import MAX_UNITS, NANOS_PER_SECOND, Nanos
from titanflow.errors import InputError
from titanflow.gateway.bad_ticks import BadTickReason
from titanflow.gateway.catalogue import Catalogue
from titanflow.gateway.normaliser import MAX_JUMP_SECONDS
from titanflow.gateway.providers.bars import Bars, points_of
from titanflow.gateway.providers.tape_columns import (
    BAR_NUMBERS,
    OFF_MARKET_CONDITIONS,
    QUOTE_NUMBERS,
    Layout,
    Numbers,
    condition_mask,
    numbers,
    repeats_auction,
)
from titanflow.gateway.providers.tape_files import Chunk, TapeFile
from titanflow.gateway.time_gate import TimeGate

REGULAR_SESSION: Nanos = 23_400 * NANOS_PER_SECOND
"""Six and a half hours: what a bar is taken to last whose inferred length is longer, unless its venue never closes."""

_NOT_FLAGGED = ("", "0", "0.0", "false")

Pair = tuple[str, str]
"""Symbol and venue."""
Fault = tuple[BadTickReason, str] | None
TradeFields = (
    tuple[str, str, Nanos | str, int | str, int | str, bool, Fault]
    | tuple[str, str, Nanos | str, int | str, int | str, bool, Fault, bool]
)
"""symbol, venue, at, price, size, off_market, fault (and official): a RawTick that has no position yet."""
QuoteFields = tuple[str, str, Nanos | str, int | str, int | str]
"""symbol, venue, at, bid, ask: a RawQuote that has no position yet."""
PointFields = tuple[str, str, Nanos, int, int, Nanos, Nanos, int, int, int, bool, Nanos]
"""A RawBarPoint that has no position yet."""
BarFields = tuple[str, str, Nanos | str, int | str, int | str, int | str, int | str, int | str, Fault]
"""A RawBar that has no position yet: a bar that is refused."""
Fields = TradeFields | QuoteFields | PointFields | BarFields
Quote = tuple[int | str, int | str]
"""Bid and ask."""


class Survey(NamedTuple):
    """What a first pass over a file finds."""

    first: Nanos | None
    """Time of its first plausible row; None where it has none."""
    last: Nanos
    pairs: frozenset[Pair]
    spacings: Mapping[Pair, Nanos] = {}
    """Time from one bar to the next, of each that it has bars of."""


class TapeRows(Protocol):
    """The rows of one file."""

    def survey(self) -> Survey:
        """Its span and what it speaks of. Raises InputError where the file cannot be used."""
        ...

    def fields(self) -> Iterator[Fields]:
        """Its rows."""
        ...


def rows_of(file: TapeFile, layout: Layout, catalogue: Catalogue, bar_seconds: int | None) -> TapeRows:
    """The rows of a file, by its columns. Raises InputError naming columns that are missing."""
    columns, are_bars = layout.wanted(file.names, file.path)
    reader = _Reader(file, layout, columns)
    return BarRows(reader, catalogue, bar_seconds) if are_bars else TradeRows(reader)


class _Reader:
    """Chunks of a file under the canonical names of their columns."""

    def __init__(self, file: TapeFile, layout: Layout, columns: Sequence[str]) -> None:
        self.path = file.path
        self.layout = layout
        self._file = file
        self._columns = columns
        self._consolidated = "conditions" in columns

    def chunks(self, *only: str) -> Iterator[Chunk]:
        columns = [column for column in self._columns if not only or column in only]
        for chunk in self._file.chunks([self.layout.name(column) for column in columns]):
            yield chunk._replace(columns={column: chunk.columns[self.layout.name(column)] for column in columns})

    def pairs(self, chunk: Chunk) -> tuple[list[str], list[str]]:
        """Symbol and venue of each row."""
        symbols = self.layout.symbols(chunk.columns.get("symbol"), chunk.rows)
        exchange = chunk.columns.get("exchange")
        return symbols, self.layout.venues(exchange, chunk.rows, consolidated=self._consolidated)


class TradeRows:
    """Trades are played as they stand in the file; nothing is sorted, so a row out of order is found out as one."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader

    def survey(self) -> Survey:
        """One pass over times and symbols."""
        gate, first, pairs = TimeGate(MAX_JUMP_SECONDS * NANOS_PER_SECOND), None, set[Pair]()
        for chunk in self._reader.chunks("ts_ns", "symbol", "exchange", "conditions"):
            times = self._reader.layout.times(chunk.columns["ts_ns"])
            entered = _enter(gate, times)
            first = entered if first is None else first
            pairs.update(zip(*self._reader.pairs(chunk), strict=True))
        return Survey(first, gate.last, frozenset(pairs))

    def fields(self) -> Iterator[Fields]:
        """One row a line, and before it one for its quote where that changed; torn lines follow their chunk."""
        standing: dict[Pair, Quote] = {}
        for chunk in self._reader.chunks():
            columns = chunk.columns
            at = self._reader.layout.times(columns["ts_ns"]).listed()
            price, size = numbers(columns["price"]).listed(), numbers(columns["size"]).listed()
            trades = zip(*self._reader.pairs(chunk), at, price, size, *_conditions(chunk), strict=True)
            if "bid" in columns:
                quotes = zip(*(numbers(columns[name]).listed() for name in QUOTE_NUMBERS), strict=True)
                yield from _with_quotes(trades, quotes, standing)
            else:
                yield from trades
            yield from _torn_rows(chunk)


class BarRows:
    """Bars are sorted by time and played as points (see `bars`); those that cannot be come first, to be refused."""

    def __init__(self, reader: _Reader, catalogue: Catalogue, bar_seconds: int | None) -> None:
        self._reader = reader
        self._catalogue = catalogue
        self._bar_seconds = bar_seconds

    def survey(self) -> Survey:
        """Loads the file: bars are few enough to be sorted in memory, as integers."""
        bars, pairs, _ = self._load()
        gate = TimeGate(MAX_JUMP_SECONDS * NANOS_PER_SECOND)
        first = _enter(gate, Numbers(bars.at, {}))
        if first is None:
            return Survey(None, gate.last, frozenset(pairs))
        spacing = self._spacing(bars)
        present = {pairs[code]: spacing for code in np.unique(bars.pair).tolist()}
        return Survey(first, gate.last + self._length(bars, pairs), frozenset(pairs), present)

    def fields(self) -> Iterator[Fields]:
        """The points of all bars."""
        bars, pairs, refused = self._load()
        yield from refused
        known = [self._catalogue.find(*pair) for pair in pairs]
        increments = np.array([i.quantity_increment if i else 0 for i in known], dtype=np.int64)
        indices = np.array([i is not None and not i.tradable for i in known], dtype=np.bool_)
        playable = _playable(bars, increments, indices)
        yield from _as_they_stand(bars.chosen(~playable), pairs)
        bars = bars.chosen(playable)
        if not len(bars.at):
            return
        bars = bars._replace(ends_at=bars.at + self._length(bars, pairs))
        for points in points_of(bars, increments):
            for at, pair, *others in zip(*(column.tolist() for column in points), strict=True):
                yield (*pairs[pair], at, *others)

    def _spacing(self, bars: Bars) -> Nanos:
        if self._bar_seconds is not None:
            return self._bar_seconds * NANOS_PER_SECOND
        spacing = shortest_gap(bars)
        if spacing is None:
            raise InputError(f"tape {self._reader.path}: no instrument has two bars; give their length: bar_seconds=60")
        return spacing

    def _length(self, bars: Bars, pairs: Sequence[Pair]) -> Nanos:
        length = self._spacing(bars)
        if self._bar_seconds is not None:
            return length
        known = [self._catalogue.find(*pair) for pair in pairs]
        closes = any(instrument is not None and instrument.calendar != "24/7" for instrument in known)
        return min(length, REGULAR_SESSION) if closes else length

    def _load(self) -> tuple[Bars, list[Pair], list[BarFields]]:
        """All proper bars sorted by time, the pairs that their `pair` points into, and the rows that are none."""
        codes: dict[Pair, int] = {}
        parts: list[Bars] = []
        refused: list[BarFields] = []
        for chunk in self._reader.chunks():
            at = self._reader.layout.times(chunk.columns["ts_ns"])
            values = [numbers(chunk.columns[column]) for column in BAR_NUMBERS]
            symbols, venues = self._reader.pairs(chunk)
            faults = _faults_of_bars(at, values)
            listed = [column.listed() for column in (at, *values)] if faults else []
            for row, fault in sorted(faults.items()):
                refused.append((symbols[row], venues[row], *(column[row] for column in listed), fault))  # type: ignore[arg-type]
            refused += [("", "", "", "", "", "", "", "", (BadTickReason.BAD_ROW, torn)) for torn in chunk.torn]
            pair = [codes.setdefault(key, len(codes)) for key in zip(symbols, venues, strict=True)]
            columns = (at.values, at.values, np.array(pair, dtype=np.int64), *(column.values for column in values))
            proper = np.ones(chunk.rows, dtype=np.bool_)
            proper[list(faults)] = False
            parts.append(Bars(*(column[proper] for column in columns)))
        empty = np.zeros(0, dtype=np.int64)
        bars = Bars(*(np.concatenate((empty, *columns)) for columns in zip(*parts, strict=True))) if parts else None
        return (bars or Bars(*[empty] * 8)).sorted_by_time(), list(codes), refused


def shortest_gap(bars: Bars) -> Nanos | None:
    """The smallest time between two bars of one instrument, which is how long a bar lasts; None where none has two."""
    order = np.lexsort((bars.at, bars.pair))
    gaps = np.diff(bars.at[order])[np.diff(bars.pair[order]) == 0]
    gaps = gaps[gaps > 0]
    return int(gaps.min()) if gaps.size else None


def _playable(bars: Bars, increments: NDArray[np.int64], indices: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which bars the market can be shown; what is wrong with the others is said by who judges them."""
    known, priced = increments[bars.pair] > 0, (bars.low > 0) & (bars.high <= MAX_UNITS)
    sized: NDArray[np.bool_] = ((bars.volume > 0) | indices[bars.pair]) & (bars.volume <= MAX_UNITS)
    return known & priced & sized


def _as_they_stand(bars: Bars, pairs: Sequence[Pair]) -> Iterator[BarFields]:
    for at, _, pair, *values in zip(*(column.tolist() for column in bars), strict=True):
        yield (*pairs[pair], at, *values, None)


def _enter(gate: TimeGate, times: Numbers) -> Nanos | None:
    """Take the times of a chunk into the gate, as the feed will; returns the first that it admits."""
    values = times.values
    if not len(values):
        return None
    first, last = int(values[0]), int(values[-1])
    steps = np.diff(values)
    if not times.odd and gate.last <= first <= gate.horizon and np.all((steps >= 0) & (steps <= gate.max_jump)):
        gate.move_to(last)
        return first
    admitted = [at for at in times.listed() if gate.admit(at) is None]
    return int(admitted[0]) if admitted else None


def _with_quotes(
    trades: Iterable[TradeFields], quotes: Iterable[Quote], standing: dict[Pair, Quote]
) -> Iterator[Fields]:
    """The trades, each behind its quote where that is not the one `standing` so far; an empty one says nothing."""
    for trade, quote in zip(trades, quotes, strict=True):
        symbol, venue, at = trade[:3]
        if quote != ("", "") and quote != standing.get((symbol, venue)):
            standing[symbol, venue] = quote
            yield (symbol, venue, at, *quote)
        yield trade


def _conditions(chunk: Chunk) -> tuple[Iterable[bool], Iterable[Fault], Iterable[bool]]:
    """Off-market, fault and official of each row, from `conditions` and `suspicious` where the tape has them."""
    conditions, suspicious = chunk.columns.get("conditions"), chunk.columns.get("suspicious")
    if conditions is None and suspicious is None:
        return [False] * chunk.rows, [None] * chunk.rows, [False] * chunk.rows
    texts = [""] * chunk.rows if conditions is None else conditions.to_pylist()
    flags = ["0"] * chunk.rows if suspicious is None else suspicious.to_pylist()
    masks = {text: condition_mask(text) for text in set(texts)}
    official = {text: repeats_auction(mask or 0) for text, mask in masks.items()}
    off_market = {text: official[text] or bool((mask or 0) & OFF_MARKET_CONDITIONS) for text, mask in masks.items()}
    faults = [_fault(text, masks[text], flag) for text, flag in zip(texts, flags, strict=True)]
    return [off_market[text] for text in texts], faults, [official[text] for text in texts]


def _fault(text: str, mask: int | None, flag: str) -> Fault:
    if flag.lower() not in _NOT_FLAGGED:
        return BadTickReason.SUSPICIOUS, f"suspicious is {flag}: flagged by the provider"
    if mask is None:
        return BadTickReason.BAD_ROW, f"conditions is {text!r}, not a hexadecimal number"
    return None


def _faults_of_bars(at: Numbers, values: Sequence[Numbers]) -> dict[int, Fault]:
    """Rows that are no bars, by row: a field that is not a number, or prices outside of low to high."""
    faults: dict[int, Fault] = {}
    for name, column in zip(("ts_ns", *BAR_NUMBERS), (at, *values), strict=True):
        for row, text in column.odd.items():
            reason = BadTickReason.TOO_LARGE if isinstance(text, int) else BadTickReason.NOT_A_NUMBER
            faults.setdefault(row, (reason, f"{name} is {text!r}, not a number of 64 bits"))
    first, high, low, close, volume = (column.values for column in values)
    inside: NDArray[np.bool_] = (low <= np.minimum(first, close)) & (np.maximum(first, close) <= high)
    for row in np.flatnonzero(~inside | (volume < 0)).tolist():
        numbers_of_row = dict(zip(BAR_NUMBERS, (int(column.values[row]) for column in values), strict=True))
        detail = f"not low <= open, close <= high and volume >= 0, in 1e-9 units: {numbers_of_row}"
        faults.setdefault(row, (BadTickReason.BAD_ROW, detail))
    return faults


def _torn_rows(chunk: Chunk) -> list[TradeFields]:
    return [("", "", "", "", "", False, (BadTickReason.BAD_ROW, torn)) for torn in chunk.torn]
