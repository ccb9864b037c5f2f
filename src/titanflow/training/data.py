"""Reads market data as a live session would: tapes through provider and feed, recorded sessions from their ledger.

The bars are the live ones by construction, for the same builders fold the same events in the same order.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from eventstore.ledger import Ledger
from titanflow.domain.events import Event, SessionStarted
from titanflow.domain.instruments import Instrument, TradingCalendar
from titanflow.domain.models import TrainingWindow
from titanflow.domain.session_settings import FeedSpec
from titanflow.domain.types import InstrumentId, Nanos
from titanflow.errors import InputError
from titanflow.gateway.catalogue import load_catalogue
from titanflow.gateway.feed import Feed
from titanflow.gateway.providers.base import ProviderRequest
from titanflow.gateway.providers.tape_provider import TapeDataProvider
from titanflow.risk.performance import periods_per_year
from titanflow.signal.intervals import decided_on
from titanflow.training.barrier import moment
from titanflow.training.bars import BarFolder, Bars, Venue, joined
from titanflow.training.sources import SessionSource, parse_sources
from titanflow.training.trainer import Progress

BAR_SECONDS_OF_TICKS = 60
"""Length of the bars that trades are folded into, unless told otherwise."""
TRADING_DAYS = 252
"""A year's bars where one lasts longer than an exchange's day."""
PROGRESS_EVENTS = 20_000

OpenLedger = Callable[[str], Ledger[Event]]
"""Session name -> its ledger. Raises SessionNotFoundError."""


def no_progress(_what: str, _part: float) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class DataSpec:
    """What to learn from."""

    sources: tuple[str, ...]
    """Tape files, or `session:NAME[@FIRST-LAST]`."""
    bar_seconds: int | None = None
    """None: the tape's own bars; 60 for trades and sessions."""
    instruments: tuple[InstrumentId, ...] = ()
    """None named: every one that can be traded."""
    first_at: Nanos | None = None
    """Nothing earlier is read."""
    last_at: Nanos | None = None
    """Nothing from then on is read; a bar that ends then is whole."""
    options: Mapping[str, object] = field(default_factory=dict)
    """The tape provider's own options, as `feed.options` of a session."""
    catalogue: Path | None = None
    """TOML file with further instruments."""


@dataclass(frozen=True)
class BarData:
    """Bars of every instrument, and where they come from."""

    bars: dict[InstrumentId, Bars]
    instruments: tuple[Instrument, ...]
    """Those with bars, sorted by id."""
    calendars: tuple[TradingCalendar, ...]
    bar_seconds: int
    window: TrainingWindow
    """All that was read: `first_at` is the close of the first bar, `last_at` the last event."""
    refused_rows: int
    """Rows of tapes that were no proper ticks."""

    @property
    def bars_per_year(self) -> float:
        """What ratios are annualised with: exchange minutes, or all where a venue never closes; at least 252."""
        used = {instrument.calendar for instrument in self.instruments}
        calendars = [calendar for calendar in self.calendars if calendar.id in used]
        return max(periods_per_year(calendars, self.bar_seconds), float(TRADING_DAYS))


class _Read(NamedTuple):
    """One source, read to its end."""

    source: str
    sha256: str
    bars: dict[InstrumentId, Bars]
    instruments: tuple[Instrument, ...]
    calendars: tuple[TradingCalendar, ...]
    last_at: Nanos
    refused: int
    session: str = ""
    first_seq: int = 0
    last_seq: int = 0


def load_bars(spec: DataSpec, open_ledger: OpenLedger | None = None, progress: Progress = no_progress) -> BarData:
    """Read all sources. `open_ledger` is needed for sessions alone.

    Raises InputError for what cannot be read, sources that overlap, and data without a single bar.
    """
    tapes, sessions = parse_sources(spec.sources)
    provider = _provider(tapes, spec) if tapes else None
    seconds = spec.bar_seconds or (provider and provider.bar_seconds) or BAR_SECONDS_OF_TICKS
    reads = [_read_tapes(provider, spec, seconds, progress)] if provider else []
    for session in sessions:
        if open_ledger is None:
            raise InputError(f"data session:{session.session}: there is no ledger to read it from")
        reads.append(_read_session(session, open_ledger(session.session), spec, seconds, progress))
    return _combined(reads, spec, seconds)


def _provider(tapes: tuple[Path, ...], spec: DataSpec) -> TapeDataProvider:
    return TapeDataProvider(ProviderRequest(tapes, 0, spec.options, load_catalogue(spec.catalogue)))


def _read_tapes(provider: TapeDataProvider, spec: DataSpec, seconds: int, progress: Progress) -> _Read:
    feed = Feed(provider)
    named = provider.feed()
    first, last = provider.span()
    refused = 0

    def events() -> Iterator[Event]:
        nonlocal refused
        for item in feed.items():
            if item.bad is not None:
                refused += 1
            yield from item.events

    venues = _venues(feed.instruments, feed.calendars, named, spec, seconds)
    bars, last_at = _folded(events(), venues, spec, seconds, _Span(first, last, named.source), progress)
    return _Read(named.source, named.sha256, bars, feed.instruments, feed.calendars, last_at, refused)


def _read_session(
    source: SessionSource, ledger: Ledger[Event], spec: DataSpec, seconds: int, progress: Progress
) -> _Read:
    end = ledger.last_seq()
    last = min(source.last or end, end)
    if source.first > end:
        raise InputError(f"data {source}: the session has no event {source.first}; its last one has seq {end}")
    started = next(ledger.read(1, 1)).events[0]
    if not isinstance(started, SessionStarted):
        raise InputError(f"data {source}: its first event is no opening; `titanflow ledger check` looks")
    digest = ledger.digest(source.first, last)
    first_at, last_at = (next(ledger.read(seq, seq)).events[0].at for seq in (source.first, last))  # type: ignore[attr-defined]
    events = (event for block in ledger.read(source.first, last) for event in block.events)
    torn_before = first_at if source.first > 1 else 0
    span = _Span(first_at, last_at, str(source), torn_before)
    venues = _venues(started.instruments, started.calendars, started.feed, spec, seconds)
    bars, last_at = _folded(events, venues, spec, seconds, span, progress)
    return _Read(
        str(source),
        digest,
        bars,
        started.instruments,
        started.calendars,
        last_at,
        0,
        source.session,
        source.first,
        last,
    )


class _Span(NamedTuple):
    first: Nanos
    last: Nanos
    source: str
    torn_before: Nanos = 0
    """Bars that opened earlier are not whole."""


def _folded(
    events: Iterable[Event],
    venues: Mapping[InstrumentId, Venue],
    spec: DataSpec,
    seconds: int,
    span: _Span,
    progress: Progress,
) -> tuple[dict[InstrumentId, Bars], Nanos]:
    """The bars of the instruments that are wanted, and the time of the last event that was read."""
    first = spec.first_at or 0
    last = spec.last_at
    folder = BarFolder(venues, seconds, whole_from=max(first, span.torn_before))
    what, length = f"reading {span.source}", max(1, span.last - span.first)
    for number, event in enumerate(events):
        at: Nanos = event.at  # type: ignore[attr-defined]
        if at < first:
            continue
        if last is not None and at >= last:
            folder.last_at = last
            break
        folder.take(event)
        if number % PROGRESS_EVENTS == 0:
            progress(what, min(1.0, (at - span.first) / length))
    folder.finish(folder.last_at)
    progress(what, 1.0)
    return folder.bars(), folder.last_at


def _venues(
    instruments: tuple[Instrument, ...],
    calendars: tuple[TradingCalendar, ...],
    feed: FeedSpec,
    spec: DataSpec,
    seconds: int,
) -> dict[InstrumentId, Venue]:
    """Those instruments that are wanted. Raises InputError for bars that cannot be made of the source's."""
    by_id, tape_seconds = {calendar.id: calendar for calendar in calendars}, dict(feed.bars)
    wanted = [each for each in instruments if each.tradable and each.id in (spec.instruments or (each.id,))]
    for each in wanted:
        own = tape_seconds.get(each.id, 0)
        if decided_on(seconds, own) != seconds:
            raise InputError(
                f"data {feed.source}: its bars of {each.id} last {own} s, of which none of {seconds} s can be made; "
                f"ask for a multiple, as bar_seconds = {decided_on(seconds, own)}"
            )
    return {each.id: Venue(by_id.get(each.calendar), tape_seconds.get(each.id, 0)) for each in wanted}


def _combined(reads: list[_Read], spec: DataSpec, seconds: int) -> BarData:
    known = {instrument.id: instrument for read in reads for instrument in read.instruments}
    for name in spec.instruments:
        if name not in known or not known[name].tradable:
            reason = "is an index, which cannot be traded" if name in known else "does not occur in the data"
            raise InputError(f"instrument {name} {reason}; there are {', '.join(_tradable(known))}")
    names = sorted({name for read in reads for name in read.bars})
    if not names:
        raise InputError(
            f"data {', '.join(read.source for read in reads)}: no bar of {seconds} s in {_range(spec)}; "
            f"instruments that can be traded: {', '.join(_tradable(known)) or 'none'}"
        )
    bars = {
        name: joined([(read.source, read.bars[name]) for read in reads if name in read.bars], name) for name in names
    }
    calendars = {calendar.id: calendar for read in reads for calendar in read.calendars}
    return BarData(
        bars=bars,
        instruments=tuple(known[name] for name in names),
        calendars=tuple(calendars[name] for name in sorted(calendars)),
        bar_seconds=seconds,
        window=_window(reads, bars),
        refused_rows=sum(read.refused for read in reads),
    )


def _window(reads: list[_Read], bars: Mapping[InstrumentId, Bars]) -> TrainingWindow:
    only = reads[0] if len(reads) == 1 else None
    digest = only.sha256 if only else sha256("".join(read.sha256 for read in reads).encode()).hexdigest()
    return TrainingWindow(
        source=", ".join(read.source for read in reads),
        sha256=digest,
        first_at=min(int(table.closed_at[0]) for table in bars.values()),
        last_at=max(read.last_at for read in reads),
        session=only.session if only else "",
        first_seq=only.first_seq if only else 0,
        last_seq=only.last_seq if only else 0,
        rows=sum(len(table) for table in bars.values()),
        instruments=tuple(bars),
    )


def _tradable(known: Mapping[InstrumentId, Instrument]) -> list[InstrumentId]:
    return sorted(name for name, instrument in known.items() if instrument.tradable)


def _range(spec: DataSpec) -> str:
    first = moment(spec.first_at) if spec.first_at else "the beginning"
    return f"{first} to {moment(spec.last_at) if spec.last_at else 'the end'}"
