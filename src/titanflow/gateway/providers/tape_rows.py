"""The rows of a tape file of trades, in the order in which they are played; and what files of bars share with it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from titanflow.domain.types import NANOS_PER_SECOND, Nanos
from titanflow.errors import InputError
from titanflow.gateway.bad_ticks import BadTickReason
from titanflow.gateway.normaliser import MAX_JUMP_SECONDS
from titanflow.gateway.providers.repeated_hour import RepeatedHour
from titanflow.gateway.providers.tape_columns import (
    OFF_MARKET_CONDITIONS,
    QUOTE_NUMBERS,
    Layout,
    Numbers,
    condition_mask,
    repeats_auction,
)
from titanflow.gateway.providers.tape_files import Chunk, Column, TapeFile
from titanflow.gateway.providers.trade_ids import SeenIds
from titanflow.gateway.time_gate import TimeGate

DISORDER: Nanos = 60 * NANOS_PER_SECOND
"""Trades may stand so much out of order without beginning the second pass through the hour that autumn repeats."""
_NOT_FLAGGED = ("", "0", "0.0", "false")
_EQUAL = ("ts_ns", "symbol", "exchange", "price", "size")
"""Trades without ids that agree in these may be one trade told twice, or two alike."""

Pair = tuple[str, str]
"""Symbol and venue."""
Fault = tuple[BadTickReason, str] | None
TradeFields = tuple[str, str, Nanos | str, int | str, int | str, bool, Fault, bool, str, int]
"""symbol, venue, at, price, size, off_market, fault, official, source, line: a RawTick that has no position yet."""
QuoteFields = tuple[str, str, Nanos | str, int | str, int | str, Fault, str, int]
"""symbol, venue, at, bid, ask, fault, source, line: a RawQuote that has no position yet."""
PointFields = tuple[str, str, Nanos, int, int, Nanos, Nanos, int, int, int, bool, Nanos, str, int]
"""A RawBarPoint that has no position yet."""
BarFields = tuple[str, str, Nanos | str, int | str, int | str, int | str, int | str, int | str, Fault, str, int]
"""A RawBar that has no position yet: a bar that is refused."""
TIMES_EXPECTED = (
    "expected nanoseconds UTC, or the option time_unit: time_unit=iso where dates and times are text, else us, ms or s"
)
Fields = TradeFields | QuoteFields | PointFields | BarFields
Quote = tuple[int | str, int | str]
"""Bid and ask."""


class Survey(NamedTuple):
    """What a first pass over files finds."""

    first: Nanos | None
    """Time of the first plausible row; None where there is none."""
    last: Nanos
    pairs: frozenset[Pair]
    spacings: Mapping[Pair, Nanos] = {}
    """Time from one bar to the next, of each that there are bars of."""
    equal_rows: int = 0
    """Trades without an id that equal one before."""


class Reader:
    """Chunks of a file under the canonical names of their columns."""

    def __init__(self, file: TapeFile, layout: Layout, columns: Sequence[str]) -> None:
        self.path = file.path
        self.source = file.path.name
        self.layout = layout
        self.columns = tuple(columns)
        self._file = file
        self._consolidated = "conditions" in columns

    def chunks(self, *only: str) -> Iterator[Chunk]:
        """All rows; of these columns alone, where some are named."""
        columns = [column for column in self.columns if not only or column in only]
        for chunk in self._file.chunks([self.layout.name(column) for column in columns]):
            yield chunk._replace(columns={column: chunk.columns[self.layout.name(column)] for column in columns})

    def pairs(self, chunk: Chunk) -> tuple[list[str], list[str]]:
        """Symbol and venue of each row."""
        symbols = self.layout.symbols(chunk.columns.get("symbol"), chunk.rows)
        exchange = chunk.columns.get("exchange")
        return symbols, self.layout.venues(exchange, chunk.rows, consolidated=self._consolidated)


class TradeRows:
    """Trades are played as they stand in the file; nothing is sorted, so a row out of order is found out as one."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.path = reader.path

    def survey(self) -> Survey:
        """One pass over times and symbols; without ids of trades over all that makes rows equal."""
        gate, first, pairs = TimeGate(MAX_JUMP_SECONDS * NANOS_PER_SECOND), None, set[Pair]()
        equal, hour = _EqualRows(), RepeatedHour(DISORDER)
        have_ids, rows = "trade_id" in self._reader.columns, 0
        for chunk in self._reader.chunks("conditions", *(_EQUAL[:3] if have_ids else _EQUAL)):
            rows += chunk.rows + len(chunk.torn)
            told = self._reader.layout.times(chunk.columns["ts_ns"])
            times, _ = hour.resolve(told, [None] * chunk.rows)
            entered = enter(gate, times)
            first = entered if first is None else first
            pairs.update(zip(*self._reader.pairs(chunk), strict=True))
            if not have_ids:
                equal.count(chunk, times.values - told.values)
        if not rows:
            raise no_row(self.path)
        return Survey(first, gate.last, frozenset(pairs), equal_rows=equal.found)

    def fields(self, seen: dict[Pair, SeenIds]) -> Iterator[Fields]:
        """One row a line, and before it one for its quote where that changed; torn lines follow their chunk.

        `seen` are the ids of all files so far.
        """
        standing: dict[Pair, Quote] = {}
        hour, layout, source = RepeatedHour(DISORDER), self._reader.layout, self._reader.source
        for chunk in self._reader.chunks():
            columns = chunk.columns
            times, unplaced = self._times(chunk, hour)
            price, size = layout.numbers(columns["price"]).listed(), layout.numbers(columns["size"]).listed()
            symbols, venues = self._reader.pairs(chunk)
            off_market, faults, official = _conditions(chunk)
            if unplaced:
                faults = [fault or unplaced.get(row) for row, fault in enumerate(faults)]
            if "trade_id" in columns:
                ids = columns["trade_id"].to_pylist()
                faults = list(map(_seen_before, repeat(seen), zip(symbols, venues, strict=True), ids, faults))
            places = repeat(source, chunk.rows), chunk.lines
            trades = zip(
                symbols, venues, times.listed(), price, size, off_market, faults, official, *places, strict=True
            )
            if "bid" in columns:
                quotes = zip(*(layout.numbers(columns[name]).listed() for name in QUOTE_NUMBERS), strict=True)
                yield from _with_quotes(trades, quotes, standing)
            else:
                yield from trades
            for line, told in chunk.torn:
                yield "", "", "", "", "", False, (BadTickReason.BAD_ROW, told), False, source, line

    def _times(self, chunk: Chunk, hour: RepeatedHour) -> tuple[Numbers, Mapping[int, Fault]]:
        return hour.resolve(self._reader.layout.times(chunk.columns["ts_ns"]), [None] * chunk.rows)


def no_usable_time(path: Path) -> InputError:
    """What is said of a file whose times cannot be read, or are all implausible."""
    return InputError(f"tape {path} has no row with a usable time; {TIMES_EXPECTED}")


def no_row(path: Path) -> InputError:
    """What is said of a file that ends behind its header."""
    return InputError(f"tape {path} has a header and no row")


class _EqualRows:
    """Counts rows that equal one before. Equal rows have one time, so of a file in order the last time is enough.

    Those of an hour that autumn repeats are told apart by how far they were `moved`.
    """

    def __init__(self) -> None:
        self.found = 0
        self._last: set[tuple[str, ...]] = set()

    def count(self, chunk: Chunk, moved: NDArray[np.int64]) -> None:
        names = [name for name in _EQUAL if name in chunk.columns]
        table = pa.table({**{name: chunk.columns[name] for name in names}, "moved": pa.array(moved)})
        if moved.any():
            names.append("moved")
        self.found += chunk.rows - table.group_by(names).aggregate([]).num_rows
        times = chunk.columns["ts_ns"]
        ends = [times[0], times[chunk.rows - 1]] if chunk.rows else []
        first, last = (set(self._rows_of(table, times, end)) for end in ends) if ends else (set(), set())
        self.found += len(first & self._last)
        self._last = last

    @staticmethod
    def _rows_of(table: pa.Table, times: Column, at: Column) -> Iterator[tuple[str, ...]]:
        equal: Column = pc.equal(times, at)
        chosen = table.filter(equal)
        return zip(*(column.to_pylist() for column in chosen.columns), strict=True)


def _seen_before(seen: dict[Pair, SeenIds], pair: Pair, identity: str, fault: Fault) -> Fault:
    """The fault of a row whose id was seen before on its venue and instrument; a faulty row is not counted as seen."""
    if fault is not None or seen.setdefault(pair, SeenIds()).is_new(identity):
        return fault
    return BadTickReason.DUPLICATE, f"trade_id is {identity}, which this instrument had before"


def enter(gate: TimeGate, times: Numbers) -> Nanos | None:
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
            yield (symbol, venue, at, *quote, None, *trade[8:])
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
