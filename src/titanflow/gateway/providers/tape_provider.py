"""The provider that plays files: what TapeDataProvider offers. Formats and columns are read in the tape_* modules."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import ClassVar

from titanflow.domain.instruments import Instrument
from titanflow.domain.session_settings import FeedSpec
from titanflow.domain.types import NANOS_PER_SECOND, InstrumentId, Nanos
from titanflow.errors import InputError
from titanflow.gateway.corporate_actions import CorporateAction
from titanflow.gateway.providers.base import ProviderRequest, RawBar, RawBarPoint, RawQuote, RawRow, RawTick
from titanflow.gateway.providers.options import Options
from titanflow.gateway.providers.tape_actions import action_files, read_actions
from titanflow.gateway.providers.tape_columns import Layout
from titanflow.gateway.providers.tape_files import open_tape
from titanflow.gateway.providers.tape_rows import Fields, rows_of

_REFUSED_BAR = 9
_KINDS: Mapping[int, Callable[..., RawRow]] = {
    5: RawQuote,
    7: RawTick,
    8: RawTick,
    _REFUSED_BAR: RawBar,
    12: RawBarPoint,
}
"""Number of fields that a row of a file has -> what it becomes."""


class TapeDataProvider:
    """Recorded trades or bars from CSV or Parquet files, plain or gzip, several files merged by time.

    Options: `columns` (names that differ, as `ts_ns=time,price=px`), `time_unit` (ns, us, ms, s, iso), `time_zone` (of
    times that name none), `venue` (for all rows, instead of the column exchange), `symbol` (for files without that
    column), `bar_seconds` (length of a bar; inferred), `delimiter`, `actions` (a file of splits and dividends;
    else those that stand beside the tapes as TAPE.actions.csv).
    """

    name: ClassVar[str] = "tape"
    deterministic: ClassVar[bool] = True

    def __init__(self, request: ProviderRequest) -> None:
        """Reads every file once, for its span and instruments. Raises InputError naming file, column, expectation."""
        if not request.tapes:
            raise InputError("provider 'tape' needs at least one file; give it with --tape")
        options = Options(self.name, request.options)
        layout = Layout(options)
        bar_seconds = options.integer("bar_seconds", None, upto=7 * 24 * 3600)
        delimiter = options.text("delimiter", ",")
        actions = options.text("actions", "")
        options.finish()
        self._action_files = action_files(request.tapes, actions)
        self._paths = request.tapes
        self._files = tuple(
            rows_of(open_tape(path, delimiter), layout, request.catalogue, bar_seconds) for path in request.tapes
        )
        self._survey(request)
        self._actions = read_actions(self._action_files, self._instruments)

    def actions(self) -> tuple[CorporateAction, ...]:
        """The splits and dividends of its instruments."""
        return self._actions

    def feed(self) -> FeedSpec:
        """The files' names, and a digest over their bytes, one file after the other; files of actions come last."""
        digest = hashlib.sha256()
        paths = (*self._paths, *self._action_files)
        for path in paths:
            with path.open("rb") as file:
                while piece := file.read(1 << 20):
                    digest.update(piece)
        source = ", ".join(path.name for path in paths)
        return FeedSpec(self.name, source, digest.hexdigest(), tuple(sorted(self._bars.items())))

    def instruments(self) -> tuple[Instrument, ...]:
        """Those instruments of the catalogue that occur in the files, sorted by id."""
        return self._instruments

    def span(self) -> tuple[Nanos, Nanos]:
        """From the first to the last plausible time of all files."""
        return self._span

    @property
    def bar_seconds(self) -> int | None:
        """Length of the bars in its files, the longest where they differ; None where they hold trades alone."""
        return max(self._bars.values(), default=None)

    def rows(self, start: int = 0) -> Iterator[RawRow]:
        """The rows of all files by time; equal times in the order in which the files were given."""
        streams = [rows.fields() for rows in self._files]
        if len(streams) == 1:
            fields = streams[0]
        else:
            fields = map(itemgetter(1), merge(*map(_by_time, streams), key=itemgetter(0)))
        for position, row in enumerate(islice(fields, start, None), start):
            yield _KINDS[len(row)](position, *row)

    def _survey(self, request: ProviderRequest) -> None:
        surveys = [rows.survey() for rows in self._files]
        for path, survey in zip(self._paths, surveys, strict=True):
            if survey.first is None:
                raise InputError(f"tape {path} has no row with a usable time; expected nanoseconds UTC or time_unit")
        pairs = sorted({pair for survey in surveys for pair in survey.pairs})
        found = (request.catalogue.find(*pair) for pair in pairs)
        self._instruments = tuple(sorted((i for i in found if i is not None), key=lambda instrument: instrument.id))
        if not self._instruments:
            raise InputError(
                f"none of the instruments of these tapes is in the catalogue: {', '.join(map('.'.join, pairs[:10]))}; "
                "add them in a catalogue file, or name their venue by the option venue (see docs/providers.md)"
            )
        spacings = [item for survey in surveys for item in survey.spacings.items()]
        self._bars: dict[InstrumentId, int] = {}
        """Seconds that the bars of an instrument last; of those that files give in bars."""
        for pair, spacing in spacings:
            instrument = request.catalogue.find(*pair)
            if instrument is not None:
                seconds = max(1, -(-spacing // NANOS_PER_SECOND))
                self._bars[instrument.id] = max(seconds, self._bars.get(instrument.id, 0))
        self._span = (min(s.first for s in surveys if s.first is not None), max(s.last for s in surveys))


def _by_time(rows: Iterator[Fields]) -> Iterator[tuple[Nanos, Fields]]:
    """Rows with the time that places them among those of other files.

    One without a time stays behind its neighbour, and so does a bar that is refused, for these come first.
    """
    last = 0
    for row in rows:
        at = row[2]
        last = at if isinstance(at, int) and len(row) != _REFUSED_BAR else last
        yield last, row
