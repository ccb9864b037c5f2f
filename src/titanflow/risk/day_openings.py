"""When the day of a contender, or of all together, opens: what a daily loss is measured from. Knows calendars only."""

from bisect import bisect_right
from collections.abc import Iterable

from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.types import NANOS_PER_DAY, Nanos

NEVER: Nanos = 1 << 63
"""Later than every opening."""


class DayOpenings:
    """The openings of the days of a set of venues, in their order.

    A day opens with the first opening of any of the venues in a UTC day; a venue that never closes opens at midnight.
    So a session across midnight is one day, a lunch break ends none, and where venues follow each other around the
    globe the day is measured from the one that opens first.
    """

    __slots__ = ("_always", "_openings")

    def __init__(self, calendars: Iterable[TradingCalendar]) -> None:
        first: dict[int, Nanos] = {}
        self._always = False
        for calendar in calendars:
            self._always |= calendar.always_open
            for opens, _ in calendar.sessions:
                day = opens // NANOS_PER_DAY
                first[day] = min(opens, first.get(day, opens))
        self._openings = tuple(sorted(first.values()))

    def after(self, at: Nanos) -> Nanos:
        """The next opening after `at`; NEVER where none is recorded."""
        if self._always:
            return at - at % NANOS_PER_DAY + NANOS_PER_DAY
        index = bisect_right(self._openings, at)
        return self._openings[index] if index < len(self._openings) else NEVER
