"""The provider that plays files: what TapeDataProvider offers. Formats and columns are read in the tape_* modules."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import ClassVar

from titanflow.domain.instruments import Instrument, TradingCalendar
from titanflow.domain.session_settings import FeedSpec
from titanflow.domain.types import InstrumentId, Nanos
from titanflow.errors import InputError
from titanflow.gateway.calendars import calendars_for
from titanflow.gateway.corporate_actions import CorporateAction
from titanflow.gateway.providers.base import ProviderRequest, RawBar, RawBarPoint, RawQuote, RawRow, RawTick
from titanflow.gateway.providers.options import Options
from titanflow.gateway.providers.tape_actions import action_files, read_actions
from titanflow.gateway.providers.tape_bars import BarRows, nanos_to_seconds
from titanflow.gateway.providers.tape_columns import Layout, delimiter_of
from titanflow.gateway.providers.tape_files import open_tape
from titanflow.gateway.providers.tape_rows import Fields, Pair, Reader, Survey, TradeRows, no_usable_time
from titanflow.gateway.providers.trade_ids import SeenIds

_REFUSED_BAR = 11
_KINDS: Mapping[int, Callable[..., RawRow]] = {8: RawQuote, 10: RawTick, _REFUSED_BAR: RawBar, 14: RawBarPoint}
"""Number of fields that a row of a file has -> what it becomes."""
MAX_BAR_SECONDS = 366 * 24 * 3600


class TapeDataProvider:
    """Recorded trades or bars from CSV or Parquet files, plain or gzip, several files merged by time.

    Options: `columns` (names that differ, as `ts_ns=time,price=px`), `time_unit` (ns, us, ms, s, iso), `time_zone` (of
    times that name none), `decimals` (what becomes of more than nine), `venue` (for all rows, instead of the column
    exchange), `symbol` (for files without that column), `bar_seconds` (length of a bar; inferred), `delimiter`,
    `actions` (a file of splits and dividends; else those that stand beside the tapes as TAPE.actions.csv).
    """

    name: ClassVar[str] = "tape"
    deterministic: ClassVar[bool] = True

    def __init__(self, request: ProviderRequest) -> None:
        """Reads every file once, for its span and instruments. Raises InputError naming file, column, expectation."""
        if not request.tapes:
            raise InputError("provider 'tape' needs at least one file; give it with --tape")
        options = Options(self.name, request.options)
        layout = Layout(options)
        bar_seconds = options.integer("bar_seconds", None, upto=MAX_BAR_SECONDS)
        delimiter = delimiter_of(options)
        actions = options.text("actions", "")
        options.finish()
        self._action_files = action_files(request.tapes, actions)
        self._paths = request.tapes
        self._catalogue = request.catalogue
        self._trades: list[TradeRows] = []
        readers: list[Reader] = []
        self._bars_after = 0
        """How many files of trades were given before the first of bars."""
        for path in request.tapes:
            file = open_tape(path, delimiter)
            columns, are_bars = layout.wanted(file.names, file.path)
            reader = Reader(file, layout, columns)
            if are_bars:
                self._bars_after = self._bars_after if readers else len(self._trades)
                readers.append(reader)
            else:
                self._trades.append(TradeRows(reader))
        self._bars = BarRows(readers, request.catalogue, bar_seconds) if readers else None
        self._survey(request.calendars)
        self._actions = read_actions(self._action_files, self._instruments)

    def actions(self) -> tuple[CorporateAction, ...]:
        """The splits and dividends of its instruments."""
        return self._actions

    def feed(self) -> FeedSpec:
        """The files' names, and a digest over their bytes, one file after the other; files of actions come last."""
        source = ", ".join(path.name for path in (*self._paths, *self._action_files))
        return FeedSpec(self.name, source, self._digest, tuple(sorted(self._seconds.items())), self._notes)

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256()
        paths = (*self._paths, *self._action_files)
        for path in paths:
            with path.open("rb") as file:
                while piece := file.read(1 << 20):
                    digest.update(piece)
        return digest.hexdigest()

    def instruments(self) -> tuple[Instrument, ...]:
        """Those instruments of the catalogue that occur in the files, sorted by id."""
        return self._instruments

    def span(self) -> tuple[Nanos, Nanos]:
        """From the first to the last plausible time of all files."""
        return self._span

    @property
    def bar_seconds(self) -> int | None:
        """Length of the bars in its files, the longest where they differ; None where they hold trades alone."""
        return max(self._seconds.values(), default=None)

    def rows(self, start: int = 0) -> Iterator[RawRow]:
        """The rows of all files by time; equal times in the order in which the files were given, bars together."""
        seen: dict[Pair, SeenIds] = {}
        streams = [trades.fields(seen) for trades in self._trades]
        if self._bars is not None:
            streams.insert(self._bars_after, self._bars.fields(self._calendars))
        if len(streams) == 1:
            fields = streams[0]
        else:
            fields = map(itemgetter(1), merge(*map(_by_time, streams), key=itemgetter(0)))
        for position, row in enumerate(islice(fields, start, None), start):
            yield _KINDS[len(row)](position, *row)

    def _survey(self, known: Sequence[TradingCalendar]) -> None:
        of_trades = [trades.survey() for trades in self._trades]
        for trades, survey in zip(self._trades, of_trades, strict=True):
            if survey.first is None:
                raise no_usable_time(trades.path)
        of_bars = self._bars.survey() if self._bars else None
        surveys = [*of_trades, of_bars] if of_bars else of_trades
        self._instruments = self._known(sorted({pair for survey in surveys for pair in survey.pairs}))
        first, last = min(s.first for s in surveys if s.first is not None), max(s.last for s in surveys)
        self._seconds: dict[InstrumentId, int] = {}
        """Seconds that the bars of an instrument last; of those that files give in bars."""
        self._calendars: tuple[TradingCalendar, ...] = ()
        """Opening hours, where bars are placed in them."""
        if self._bars and of_bars:
            self._seconds = self._bar_lengths(of_bars)
            there = {calendar.id for calendar in known}
            missing = [each for each in self._instruments if each.calendar not in there]
            self._calendars = (*known, *calendars_for(missing, first, last))
            begin = self._bars.settle(self._calendars, of_bars)
            first = min([begin, *(survey.first for survey in of_trades if survey.first is not None)])
        self._span = first, last
        self._notes = _notes(sum(survey.equal_rows for survey in of_trades), self._bars.dropped if self._bars else 0)

    def _known(self, pairs: Sequence[Pair]) -> tuple[Instrument, ...]:
        found = (self._catalogue.find(*pair) for pair in pairs)
        instruments = tuple(sorted((i for i in found if i is not None), key=lambda instrument: instrument.id))
        if not instruments:
            raise InputError(
                f"none of the instruments of these tapes is in the catalogue: {', '.join(map('.'.join, pairs[:10]))}; "
                "add them in a catalogue file, or name their venue by the option venue (see docs/providers.md)"
            )
        return instruments

    def _bar_lengths(self, survey: Survey) -> dict[InstrumentId, int]:
        found = ((self._catalogue.find(*pair), spacing) for pair, spacing in survey.spacings.items())
        return {each.id: nanos_to_seconds(spacing) for each, spacing in found if each is not None}


def _notes(equal_rows: int, dropped: int) -> tuple[str, ...]:
    """What is to be known of the rows, for people."""
    notes = []
    if dropped:
        one = "1 bar that only repeats another was dropped"
        notes.append(one if dropped == 1 else f"{dropped:,} bars that only repeat others were dropped")
    if equal_rows:
        one = "1 trade equals one before and has no id: it was kept"
        notes.append(
            one if equal_rows == 1 else f"{equal_rows:,} trades equal one before and have no id: all were kept"
        )
    return tuple(notes)


def _by_time(rows: Iterator[Fields]) -> Iterator[tuple[Nanos, Fields]]:
    """Rows with the time that places them among those of other files.

    One without a time stays behind its neighbour, and so does a bar that is refused, for these come first.
    """
    last = 0
    for row in rows:
        at = row[2]
        last = at if isinstance(at, int) and len(row) != _REFUSED_BAR else last
        yield last, row
