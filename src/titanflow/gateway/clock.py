"""Event time in whole seconds: which seconds the feed announces between two rows, and which it jumps over."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.types import NANOS_PER_SECOND, Nanos


class SecondHand:
    """The clock of a feed. It announces every second up to a row, except in silences longer than `max_gap_seconds`.

    Such a silence is jumped: only its last second is announced, and, so that timers before and at a session's end fall
    due in time, every second of the `max_gap_seconds` up to each close of a venue within it, and each open.
    """

    def __init__(self, calendars: Iterable[TradingCalendar], max_gap_seconds: int) -> None:
        """`calendars` of the session's venues; those that never close have no boundaries."""
        self._max_gap = max_gap_seconds * NANOS_PER_SECOND
        sessions = [session for calendar in calendars for session in calendar.sessions]
        self._opens = sorted({open_at for open_at, _ in sessions})
        self._closes = sorted({close_at for _, close_at in sessions})
        self._now: Nanos | None = None
        self.next_second: Nanos = 0
        """The clock has nothing to announce before rows earlier than this."""

    def advance(self, at: Nanos) -> Sequence[Nanos]:
        """The seconds to announce before a row at `at`, ascending; `at` is not before the last one announced."""
        now, second = self._now, at - at % NANOS_PER_SECOND
        self._now, self.next_second = second, second + NANOS_PER_SECOND
        if now is None:
            return (second,)
        if second - now <= self._max_gap:
            return range(now + NANOS_PER_SECOND, second + NANOS_PER_SECOND, NANOS_PER_SECOND)
        return self._stops(now, second)

    def _stops(self, now: Nanos, second: Nanos) -> list[Nanos]:
        stops = {second, *_within(self._opens, now, second)}
        for close_at in _within(self._closes, now, second + self._max_gap):
            first = max(now + NANOS_PER_SECOND, close_at - self._max_gap + NANOS_PER_SECOND)
            stops.update(range(first, min(close_at, second) + NANOS_PER_SECOND, NANOS_PER_SECOND))
        return sorted(stops)


def _within(moments: list[Nanos], after: Nanos, until: Nanos) -> list[Nanos]:
    """Those in (after, until]."""
    return moments[bisect_right(moments, after) : bisect_right(moments, until)]
