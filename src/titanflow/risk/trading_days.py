"""The days by which returns are taken, and the moments of open time at which exposure is looked at.

Both are functions of event time and calendars alone: whether a clock announces a silence second by second or jumps
over it, the same days end and the same moments pass.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.session_settings import FeedSpec
from titanflow.domain.types import NANOS_PER_DAY, NANOS_PER_SECOND, Nanos

SESSIONS_PER_YEAR = 252
"""Sessions of an exchange in a year."""
DAYS_PER_YEAR = 365
"""Days in a year of a venue that never closes."""
_MOST_UNSEEN = 10
"""A day counts where at most one part in so many of it was not seen."""


class Day(NamedTuple):
    """A venue's session, or a UTC day of one that never closes: [opens, closes)."""

    opens: Nanos
    closes: Nanos

    def is_seen(self, since: Nanos, until: Nanos) -> bool:
        """Whether nine tenths of it lie in [since, until]: less would make a return of a part of a day."""
        seen = min(until, self.closes) - max(since, self.opens)
        return (self.closes - self.opens - seen) * _MOST_UNSEEN <= self.closes - self.opens


class TradingDays:
    """Days in their order: UTC days where some venue never closes, else the sessions of the venue that has most.

    A session ends behind its last instant, for what is settled at the close belongs to it; a UTC day before midnight.
    """

    def __init__(self, calendars: Iterable[TradingCalendar], start: Nanos) -> None:
        """Of the venues; a day that ended before `start` is not given."""
        known = tuple(calendars)
        self._always = any(calendar.always_open for calendar in known)
        self.per_year = DAYS_PER_YEAR if self._always else SESSIONS_PER_YEAR
        self._sessions = max((calendar.sessions for calendar in known), key=len, default=())
        self._next = 0 if self._always else bisect_right(self._sessions, start, key=_closing)
        self._day = self._utc(start) if self._always else None

    def ended(self, at: Nanos) -> Iterator[Day]:
        """The days that are over at `at` and were not given before."""
        while (day := self.running()) and (day.closes <= at if self._always else day.closes < at):
            if self._day is None:
                self._next += 1
            else:
                self._day = self._utc(day.closes)
            yield day

    def running(self) -> Day | None:
        """The day that ends next; None behind the last that is known."""
        if self._day is not None:
            return self._day
        return Day(*self._sessions[self._next]) if self._next < len(self._sessions) else None

    @staticmethod
    def _utc(at: Nanos) -> Day:
        midnight = at - at % NANOS_PER_DAY
        return Day(midnight, midnight + NANOS_PER_DAY)


class Period:
    """The trading days since the last return; one, unless the tape's own bars are longer."""

    __slots__ = ("_bar_closed", "_opens", "_sessions", "long_bars")

    def __init__(self, feed: FeedSpec) -> None:
        self.long_bars = frozenset(name for name, seconds in feed.bars if seconds * NANOS_PER_SECOND > NANOS_PER_DAY)
        """Instruments whose bars are longer than a day: between their closes equity is nothing that was seen."""
        self._opens: Nanos | None = None
        self._sessions = 0
        self._bar_closed = False

    def bar_closed(self) -> None:
        """One of the long bars is complete."""
        self._bar_closed = True

    def end(self, day: Day) -> tuple[Day, int] | None:
        """A day is over: the period that it ends, and how many days that has; None where no long bar is complete."""
        opens = day.opens if self._opens is None else self._opens
        sessions = self._sessions + 1
        if self.long_bars and not self._bar_closed:
            self._opens, self._sessions = opens, sessions
            return None
        self._opens, self._sessions, self._bar_closed = None, 0, False
        return Day(opens, day.closes), sessions


class OpenMoments:
    """The whole multiples of a step at which some venue is open."""

    def __init__(self, calendars: Iterable[TradingCalendar], step_seconds: int) -> None:
        known = tuple(calendars)
        self._step = step_seconds * NANOS_PER_SECOND
        self._always = any(calendar.always_open for calendar in known)
        self._spans = _united(session for calendar in known for session in calendar.sessions)
        self._before = [0]
        """Moments before each span."""
        for span in self._spans:
            self._before.append(self._before[-1] + self._within(*span))

    def until(self, at: Nanos) -> int:
        """How many there are up to and with `at`; only differences between two counts mean something."""
        if self._always:
            return at // self._step
        index = bisect_right(self._spans, at, key=_opening)
        if index == 0:
            return 0
        opens, closes = self._spans[index - 1]
        return self._before[index - 1] + self._within(opens, min(at + 1, closes))

    def _within(self, first: Nanos, end: Nanos) -> int:
        """Multiples of the step in [first, end)."""
        return (end - 1) // self._step - (first - 1) // self._step


def _united(sessions: Iterable[tuple[Nanos, Nanos]]) -> list[tuple[Nanos, Nanos]]:
    """The time that lies in any of them, as spans that do not touch."""
    united: list[tuple[Nanos, Nanos]] = []
    for opens, closes in sorted(sessions):
        if united and opens <= united[-1][1]:
            united[-1] = united[-1][0], max(closes, united[-1][1])
        else:
            united.append((opens, closes))
    return united


def _opening(span: tuple[Nanos, Nanos]) -> Nanos:
    return span[0]


def _closing(span: tuple[Nanos, Nanos]) -> Nanos:
    return span[1]
