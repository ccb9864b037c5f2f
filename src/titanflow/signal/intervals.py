"""Where the bars of a venue begin and end: from each session's opening on, and at its close at the latest.

Venues that never close align to the UTC epoch. A bar of a day or longer is made of whole sessions, with lunch breaks.
"""

from bisect import bisect_right
from typing import NamedTuple

from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.types import NANOS_PER_DAY, NANOS_PER_SECOND, Nanos

_DAY_SECONDS = 86_400
_MONDAY = 3
"""Days from the Monday before the epoch, a Thursday, to the epoch: weeks of sessions begin on Mondays."""


class Interval(NamedTuple):
    """[opened_at, ends_at) in nanoseconds UTC."""

    opened_at: Nanos
    ends_at: Nanos


class Intervals:
    """The intervals that bars of one length have on one venue."""

    __slots__ = ("_calendar", "_days", "_last", "nanos")

    def __init__(self, seconds: int, calendar: TradingCalendar | None = None) -> None:
        """Without a calendar, or with one that never closes, they are aligned to the epoch."""
        self.nanos = seconds * NANOS_PER_SECOND
        self._calendar = None if calendar is None or calendar.always_open else calendar
        self._days: list[Interval] | None = None
        if self._calendar is not None and seconds >= _DAY_SECONDS:
            self._days = _whole_days(self._calendar, -(-seconds // _DAY_SECONDS))
        self._last = Interval(0, 0)

    def around(self, at: Nanos) -> Interval | None:
        """The interval that `at` belongs to; None outside of every session, where it is of a day or longer."""
        last = self._last
        if last.opened_at <= at < last.ends_at:
            return last
        found = self._found(at)
        if found is not None:
            self._last = found
        return found

    def _found(self, at: Nanos) -> Interval | None:
        nanos = self.nanos
        if self._calendar is None:
            opened_at = at - at % nanos
            return Interval(opened_at, opened_at + nanos)
        if self._days is not None:
            return _containing(self._days, at)
        session = self._calendar.session_at(at)
        if session is not None:
            opened_at = at - (at - session[0]) % nanos
            return Interval(opened_at, min(opened_at + nanos, session[1]))
        # Outside the hours: by the epoch, but never across a close or an open.
        opened_at = at - at % nanos
        begin, end = self._calendar.last_close(at) or 0, self._calendar.next_change(at)
        return Interval(max(opened_at, begin), min(opened_at + nanos, end or opened_at + nanos))


def _whole_days(calendar: TradingCalendar, days: int) -> list[Interval]:
    """The sessions of each `days` days, taken together. A session is of the day on which it closes (UTC)."""
    groups: dict[int, Interval] = {}
    for open_at, close_at in calendar.sessions:
        number = ((close_at - 1) // NANOS_PER_DAY + _MONDAY) // days
        groups[number] = Interval(groups[number].opened_at if number in groups else open_at, close_at)
    return list(groups.values())


def _containing(intervals: list[Interval], at: Nanos) -> Interval | None:
    index = bisect_right(intervals, at, key=lambda interval: interval.opened_at) - 1
    return intervals[index] if index >= 0 and at < intervals[index].ends_at else None


def decided_on(own_seconds: int, tape_seconds: int) -> int:
    """Length of the bars that a contender decides on, in seconds; 0 for every tick.

    `tape_seconds` is how long the tape's own bars of the instrument last, 0 where it has trades. Nobody decides within
    a bar of the tape, whose path is invented: the length is the smallest multiple of the tape's that is not less than
    the contender's own, and for a contender on ticks the tape's.
    """
    if not tape_seconds:
        return own_seconds
    return max(1, -(-own_seconds // tape_seconds)) * tape_seconds
