"""The bars of all files of a tape: loaded, sorted, placed in their venue's hours, and played as points (see `bars`)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from titanflow.domain.instruments import Instrument, TradingCalendar
from titanflow.domain.types import MAX_UNITS, NANOS_PER_SECOND, Nanos, decimal_of
from titanflow.errors import InputError
from titanflow.gateway.bad_ticks import BadTickReason
from titanflow.gateway.catalogue import Catalogue
from titanflow.gateway.normaliser import MAX_JUMP_BARS, MAX_JUMP_SECONDS, fault_of_number
from titanflow.gateway.providers.bar_times import placed, usual_gaps, without_overlap
from titanflow.gateway.providers.bars import Bars, Booleans, Integers, points_of
from titanflow.gateway.providers.repeated_hour import RepeatedHour
from titanflow.gateway.providers.tape_columns import BAR_NUMBERS, Numbers
from titanflow.gateway.providers.tape_files import Chunk
from titanflow.gateway.providers.tape_rows import (
    TIMES_EXPECTED,
    BarFields,
    Fault,
    Fields,
    Pair,
    Reader,
    Survey,
    enter,
    no_row,
    no_usable_time,
)
from titanflow.gateway.time_gate import TimeGate


class _Loaded(NamedTuple):
    """What stands in the files."""

    bars: Bars
    """Proper ones in the order of the files; `row` is the place in `sources` and `lines`."""
    pairs: list[Pair]
    """What `bars.pair` points into."""
    refused: list[BarFields]
    """Rows that are no bars."""
    sources: list[str]
    lines: list[int]


class BarRows:
    """Bars are few enough to be sorted in memory, as integers; those that are not played come first, to be refused."""

    def __init__(self, readers: Sequence[Reader], catalogue: Catalogue, bar_seconds: int | None) -> None:
        self._readers = readers
        self._catalogue = catalogue
        self._bar_seconds = bar_seconds
        self.dropped = 0
        """Bars that only repeated others, value by value; known from `settle` on."""
        self._surveyed: _Loaded | None = None

    def survey(self) -> Survey:
        """Loads the files. Raises InputError for one without a bar, and where no length can be told."""
        self._surveyed = loaded = self._load()
        bars, pairs = loaded.bars, loaded.pairs
        present = np.unique(bars.pair).tolist()
        lengths = self._lengths(loaded)
        longest = int(lengths[present].max())
        gate = TimeGate(max(MAX_JUMP_SECONDS * NANOS_PER_SECOND, MAX_JUMP_BARS * longest))
        first = enter(gate, Numbers(bars.sorted_by_time().at, {}))
        if first is None:
            raise no_usable_time(self._readers[0].path)
        spacings = {pairs[code]: int(lengths[code]) for code in present}
        return Survey(first, gate.last + longest, frozenset(pairs), spacings)

    def settle(self, calendars: Sequence[TradingCalendar], survey: Survey) -> Nanos:
        """When the first bar begins, once it is placed in its venue's hours. Call it after `survey`."""
        bars = self._playable(self._surveyed or self._load(), calendars)
        self._surveyed = None
        begins = bars.at[bars.at < survey.last]
        return int(begins.min()) if len(begins) else survey.first or 0

    def _playable(self, loaded: _Loaded, calendars: Sequence[TradingCalendar]) -> Bars:
        """The bars that the market is shown, in order of time; all others are added to `loaded.refused`."""
        known = [self._catalogue.find(*pair) for pair in loaded.pairs]
        hours = {calendar.id: calendar for calendar in calendars}
        of_pair = [hours.get(each.calendar) if each else None for each in known]
        lengths = self._lengths(loaded)
        bars = _sifted(loaded.bars, _are_playable(loaded.bars, known), loaded, {})
        bars, faults = placed(bars, lengths, of_pair)
        bars = _sifted(bars, _without(faults, len(bars.at)), loaded, faults).sorted_by_time()
        repeated, contradicting = _told_before(bars, loaded)
        self.dropped = int(repeated.sum())
        kept = _without(contradicting, len(bars.at))
        bars = _sifted(bars, kept, loaded, contradicting).chosen(~repeated[kept])
        return without_overlap(bars, of_pair)

    def fields(self, calendars: Sequence[TradingCalendar]) -> Iterator[Fields]:
        """What is refused, then the points of all bars."""
        loaded = self._load()
        bars = self._playable(loaded, calendars)
        yield from loaded.refused
        known = [self._catalogue.find(*pair) for pair in loaded.pairs]
        increments = np.array([each.quantity_increment if each else 1 for each in known], dtype=np.int64)
        pairs, sources, lines = loaded.pairs, loaded.sources, loaded.lines
        for points in points_of(bars, increments):
            for at, pair, *others, row in zip(*(column.tolist() for column in points), strict=True):
                yield (*pairs[pair], at, *others, sources[row], lines[row])

    def _lengths(self, loaded: _Loaded) -> Integers:
        """Nanoseconds that a bar of each pair lasts."""
        if self._bar_seconds is not None:
            return np.full(len(loaded.pairs), self._bar_seconds * NANOS_PER_SECOND, dtype=np.int64)
        lengths = usual_gaps(loaded.bars, len(loaded.pairs))
        if not lengths.all():
            path = self._readers[0].path
            raise InputError(f"tape {path}: no instrument has two bars; give their length: bar_seconds=60")
        return lengths

    def _load(self) -> _Loaded:
        codes: dict[Pair, int] = {}
        parts: list[Bars] = []
        loaded = _Loaded(Bars(*[np.zeros(0, dtype=np.int64)] * len(Bars._fields)), [], [], [], [])
        for reader in self._readers:
            hour, found, before = RepeatedHour(-1), 0, len(loaded.refused)
            for chunk in reader.chunks():
                part = _read(reader, chunk, hour, codes, loaded)
                found += len(part.at)
                parts.append(part)
            if not found:
                raise _unusable(reader, loaded.refused[before:])
        bars = Bars(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
        return loaded._replace(bars=bars, pairs=list(codes))


def _sifted(bars: Bars, kept: Booleans, loaded: _Loaded, faults: Mapping[int, Fault]) -> Bars:
    """The bars that are kept; the others are refused, for the fault given or one that the judge finds."""
    for row in np.flatnonzero(~kept).tolist():
        place, pair, at = int(bars.row[row]), loaded.pairs[int(bars.pair[row])], int(bars.at[row])
        first, high, low, close, volume = (int(column[row]) for column in bars[3:8])
        where = loaded.sources[place], loaded.lines[place]
        loaded.refused.append((*pair, at, first, high, low, close, volume, faults.get(row), *where))
    return bars.chosen(kept)


def _read(reader: Reader, chunk: Chunk, hour: RepeatedHour, codes: dict[Pair, int], loaded: _Loaded) -> Bars:
    """The proper bars of a chunk; its other rows go to `loaded.refused`, the places of all to its sources and lines."""
    at = reader.layout.times(chunk.columns["ts_ns"])
    values = [reader.layout.numbers(chunk.columns[column]) for column in BAR_NUMBERS]
    symbols, venues = reader.pairs(chunk)
    pairs = list(zip(symbols, venues, strict=True))
    columns = [column.values for column in values]

    def repeats_last(row: int) -> bool:
        return row > 0 and pairs[row] == pairs[row - 1] and all(column[row] == column[row - 1] for column in columns)

    at, unplaced = hour.resolve(at, pairs, repeats_last)
    faults: dict[int, Fault] = {**_faults_of_bars(at, values), **unplaced}
    listed = [column.listed() for column in (at, *values)] if faults else []
    for row, fault in sorted(faults.items()):
        fields = (*pairs[row], *(column[row] for column in listed), fault, reader.source, chunk.lines[row])
        loaded.refused.append(fields)  # type: ignore[arg-type]
    for line, told in chunk.torn:
        fault = BadTickReason.BAD_ROW, told
        loaded.refused.append(("", "", "", "", "", "", "", "", fault, reader.source, line))
    rows = np.arange(len(loaded.lines), len(loaded.lines) + chunk.rows)
    loaded.lines.extend(chunk.lines)
    loaded.sources.extend([reader.source] * chunk.rows)
    codes_of_rows = np.array([codes.setdefault(pair, len(codes)) for pair in pairs], dtype=np.int64)
    first, high, low, close, volume = columns
    bars = Bars(at.values, at.values, codes_of_rows, first, high, low, close, volume, rows)
    return bars.chosen(_without(faults, chunk.rows))


def _faults_of_bars(at: Numbers, values: Sequence[Numbers]) -> dict[int, Fault]:
    """Rows that are no bars, by row: a field that is not a number, or prices outside of low to high."""
    faults: dict[int, Fault] = {}
    for row, text in at.odd.items():
        faults[row] = BadTickReason.NOT_A_NUMBER, f"time is {text!r}, not a time in nanoseconds"
    named = tuple(zip(BAR_NUMBERS, values, strict=True))
    for name, column in named:
        for row, value in column.odd.items():
            fault = fault_of_number(name, value) or (BadTickReason.BAD_ROW, f"{name} is {value!r}")
            faults.setdefault(row, fault)
    first, high, low, close, volume = (column.values for column in values)
    inside: Booleans = (low <= np.minimum(first, close)) & (np.maximum(first, close) <= high)
    for row in np.flatnonzero(~inside | (volume < 0)).tolist():
        told = (f"{name} {decimal_of(int(column.values[row])).normalize():f}" for name, column in named)
        detail = f"{', '.join(told)}: not low <= open, close <= high and volume >= 0"
        faults.setdefault(row, (BadTickReason.BAD_ROW, detail))
    return faults


def _are_playable(bars: Bars, known: Sequence[Instrument | None]) -> Booleans:
    """Which bars the market can be shown; what is wrong with the others is said by who judges them."""
    is_known = np.array([each is not None for each in known], dtype=np.bool_)[bars.pair]
    unsized = np.array([each is not None and not each.tradable for each in known], dtype=np.bool_)[bars.pair]
    priced = (bars.low > 0) & (bars.high <= MAX_UNITS)
    playable: Booleans = is_known & priced & ((bars.volume > 0) | unsized) & (bars.volume <= MAX_UNITS)
    return playable


def _told_before(bars: Bars, loaded: _Loaded) -> tuple[Booleans, dict[int, Fault]]:
    """Bars of an instrument and a time that the tape has already: those that repeat it, and those that contradict it.

    Of bars sorted by time; the one that stands first in the files counts.
    """
    order = np.lexsort((bars.at, bars.pair))
    again = np.append(False, (np.diff(bars.at[order]) == 0) & (np.diff(bars.pair[order]) == 0))
    if not len(order) or not again.any():
        return np.zeros(len(bars.at), dtype=np.bool_), {}
    first = order[np.maximum.accumulate(np.where(again, 0, np.arange(len(order))))]
    alike = np.ones(len(order), dtype=np.bool_)
    for column in (bars.open, bars.high, bars.low, bars.close, bars.volume):
        alike &= column[order] == column[first]
    repeated = np.zeros(len(bars.at), dtype=np.bool_)
    repeated[order[again & alike]] = True
    faults: dict[int, Fault] = {}
    for place in np.flatnonzero(again & ~alike).tolist():
        row = int(bars.row[first[place]])
        where = f"{loaded.sources[row]}, line {loaded.lines[row]}"
        faults[int(order[place])] = BadTickReason.DUPLICATE, f"another bar of this instrument and time is {where}"
    return repeated, faults


def _without(faults: Mapping[int, object], rows: int) -> Booleans:
    kept = np.ones(rows, dtype=np.bool_)
    kept[list(faults)] = False
    return kept


def _unusable(reader: Reader, refused: Sequence[BarFields]) -> InputError:
    """What is said of a file without a bar: what is wrong with its first row."""
    for *_, fault, _, line in refused:
        if fault is not None:
            hint = f"; {TIMES_EXPECTED}" if fault[1].startswith("time is ") else ""
            return InputError(f"tape {reader.path}: none of its rows is a bar; line {line}: {fault[1]}{hint}")
    return no_row(reader.path)


def nanos_to_seconds(length: Nanos) -> int:
    """Whole seconds, rounded up: what a bar's length is called by."""
    return max(1, -(-length // NANOS_PER_SECOND))
