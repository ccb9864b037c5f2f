"""Small worlds for tests of the signal room: instruments, contenders, sessions, and a loop that feeds an engine."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from titanflow.domain.events import ClockAdvanced, Event, SessionStarted, TickReceived
from titanflow.domain.instruments import FeeSchedule, Instrument, InstrumentKind
from titanflow.domain.models import RecordedModel
from titanflow.domain.session_settings import ContenderSpec, FeedSpec, SessionSettings
from titanflow.domain.types import NANOS_PER_SECOND, SCALE, fixed
from titanflow.signal.engine import SignalEngine
from titanflow.signal.model import NO_MODELS, Models

START = 1_700_000_040 * NANOS_PER_SECOND
"""A whole minute in event time, from which worlds begin."""


def exact_frame(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A CSV whose decimal `columns` are read as integers of 1e-9, without a float in between."""
    frame = pd.read_csv(path, dtype=dict.fromkeys(columns, str))
    for column in columns:
        frame[column] = frame[column].map(fixed)
    return frame


def instrument(name: str, kind: InstrumentKind = InstrumentKind.EQUITY) -> Instrument:
    symbol, venue = name.split(".", 1)
    return Instrument(name, symbol, venue, kind, SCALE // 100, SCALE, "always", "USD", FeeSchedule())


def contender(
    name: str,
    strategy: str,
    instruments: Sequence[str] = ("A.X",),
    bar_seconds: int = 60,
    **parameters: float | str,
) -> ContenderSpec:
    return ContenderSpec(
        name, name, strategy, tuple(sorted(parameters.items())), tuple(instruments), bar_seconds, "hash"
    )


def session(
    contenders: Iterable[ContenderSpec],
    instruments: Sequence[str] = ("A.X",),
    models: Sequence[RecordedModel] = (),
) -> SessionStarted:
    return SessionStarted(
        at=START,
        identity="s",
        seed=1,
        settings=SessionSettings(),
        instruments=tuple(instrument(name) for name in instruments),
        calendars=(),
        contenders=tuple(contenders),
        feed=FeedSpec("test", "", ""),
        code_version="",
        models=tuple(models),
    )


def tick(seconds: float, dollars: float | str, size: int = 1, name: str = "A.X") -> TickReceived:
    """A trade `seconds` after START at `dollars`."""
    return TickReceived(START + round(seconds * NANOS_PER_SECOND), name, fixed(str(dollars)), size * SCALE)


def clock(seconds: int) -> ClockAdvanced:
    return ClockAdvanced(START + seconds * NANOS_PER_SECOND)


def with_clocks(ticks: Iterable[TickReceived]) -> list[Event]:
    """The ticks with a clock before those of each new second; seconds without a tick are jumped."""
    events: list[Event] = []
    second = 0
    for each in ticks:
        if each.at // NANOS_PER_SECOND > second:
            second = each.at // NANOS_PER_SECOND
            events.append(ClockAdvanced(second * NANOS_PER_SECOND))
        events.append(each)
    return events


def decide(started: SessionStarted, events: Iterable[Event], models: Models = NO_MODELS) -> list[Event]:
    """What a fresh engine emits for a session of these events."""
    engine = SignalEngine(models)
    handlers = engine.handlers
    decided: list[Event] = []
    for seq, event in enumerate([started, *events], start=1):
        decided += handlers[type(event)](seq, event)
    return decided
