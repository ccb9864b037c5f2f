"""Is the time of a row plausible? The rule by which rows are refused as out of order or far off."""

from titanflow.domain.instruments import TradingCalendar
from titanflow.domain.types import Nanos
from titanflow.gateway.bad_ticks import BadTickReason

EARLIEST: Nanos = 631_152_000 * 1_000_000_000
"""1990-01-01 UTC: recorded market data is not older."""
LATEST: Nanos = 7_258_118_400 * 1_000_000_000
"""2200-01-01 UTC: later is a wrong unit or a broken clock."""


MOST_SESSIONS_MISSED = 1
"""A gap with so many whole sessions in it at most is no broken stamp, however long it lasts."""


class TimeGate:
    """Admits times in order, without implausible leaps.

    A row further ahead than `max_jump` is refused, so that one broken stamp does not outdate all that follow it, unless
    its venue had hardly a session meanwhile. The next row decides: where it stands at or after the refused time, and
    within `max_jump` of it, time really moved.
    """

    __slots__ = ("horizon", "last", "max_jump", "suspect")

    def __init__(self, max_jump: Nanos) -> None:
        """`max_jump` in nanoseconds."""
        self.max_jump = max_jump
        self.last: Nanos = EARLIEST
        """Time of the last admitted row; before the first, the earliest allowed."""
        self.horizon: Nanos = LATEST
        """Latest time that a next row may have without being suspected."""
        self.suspect: Nanos | None = None
        """The refused time of the row just before, if it was too far ahead."""

    def move_to(self, at: Nanos) -> None:
        """Take `at` as the feed's time; the caller has found it between `last` and `horizon`."""
        self.last = at
        self.horizon = at + self.max_jump
        self.suspect = None

    def admit(self, at: Nanos | str, calendar: TradingCalendar | None = None) -> tuple[BadTickReason, str] | None:
        """Move to `at`, or the reason and detail for which it is refused. `calendar`: the hours of the row's venue."""
        if isinstance(at, str):
            return BadTickReason.NOT_A_NUMBER, f"time is {at!r}, not a time in nanoseconds"
        if at < EARLIEST or (at > LATEST and at > self.horizon):
            return BadTickReason.TIME_FAR_OFF, f"time is {at}, not between {EARLIEST} (1990) and {LATEST} (2200)"
        if at < self.last:
            return BadTickReason.OUT_OF_ORDER, f"time is {at}, {self.last - at} ns before the feed's {self.last}"
        if at > self.horizon and not (self._confirms_suspect(at) or self._was_closed(at, calendar)):
            self.suspect = at
            return BadTickReason.TIME_FAR_OFF, f"time is {at}, {at - self.last} ns ahead of the feed's {self.last}"
        self.move_to(at)
        return None

    def _was_closed(self, at: Nanos, calendar: TradingCalendar | None) -> bool:
        """Whether a gap up to `at` is one of closures, as those of 11 to 16 September 2001 in New York."""
        if calendar is None or not calendar.sessions or at > calendar.sessions[-1][1]:
            return False
        return calendar.sessions_between(self.last, at) <= MOST_SESSIONS_MISSED

    def _confirms_suspect(self, at: Nanos) -> bool:
        return self.suspect is not None and self.suspect <= at <= self.suspect + self.max_jump
