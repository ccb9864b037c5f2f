"""The kill switch of one scope (a contender, or all together): what halts it, and who ends that. Emits no events."""

from typing import NamedTuple

from titanflow.domain.types import KillTrigger, Money, Nanos, Ratio
from titanflow.risk.falls import Fall


class Halt(NamedTuple):
    """One reason for which nothing may be entered."""

    until: Nanos
    """The opening at which it ends by itself; 0: only an operator ends it."""
    liquidates: bool
    """Whether positions were closed as well."""


class KillSwitch:
    """Watches equity against the day's opening and against its peak. A scope is halted while any reason stands.

    An operator may halt a scope and keep its positions: then the limits stay armed, and a breach still liquidates.
    """

    __slots__ = ("_max_daily_loss", "_max_drawdown", "daily", "halts", "trailing")

    def __init__(self, daily: Fall, trailing: Fall, max_daily_loss: Ratio, max_drawdown: Ratio) -> None:
        self._max_daily_loss = max_daily_loss
        self._max_drawdown = max_drawdown
        self.daily = daily
        """Fall from the day's opening."""
        self.trailing = trailing
        """Fall from the peak."""
        self.halts: dict[KillTrigger, Halt] = {}
        """Why it is halted, in the order in which that came."""

    @property
    def halted(self) -> bool:
        """Whether no entry is allowed."""
        return bool(self.halts)

    @property
    def liquidating(self) -> bool:
        """Whether positions are being closed, or were."""
        return any(halt.liquidates for halt in self.halts.values())

    @property
    def trigger(self) -> KillTrigger | None:
        """The latest reason."""
        return next(reversed(self.halts), None)

    def breach(self, equity: Money) -> KillTrigger | None:
        """The limit that is reached and not yet acted upon; the trailing one speaks even where the day's one has."""
        if KillTrigger.MAX_DRAWDOWN not in self.halts and self.trailing.reaches(self._max_drawdown, equity):
            return KillTrigger.MAX_DRAWDOWN
        if not self.liquidating and self.daily.reaches(self._max_daily_loss, equity):
            return KillTrigger.DAILY_LOSS
        return None

    def trip(self, trigger: KillTrigger, halt: Halt) -> None:
        """Halt for one reason more. What lasts longer, or closes more, is never cut short by the same reason again."""
        known = self.halts.pop(trigger, halt)
        until = 0 if 0 in (known.until, halt.until) else max(known.until, halt.until)
        self.halts[trigger] = Halt(until, known.liquidates or halt.liquidates)

    def expire(self, at: Nanos) -> bool:
        """End the halts that end by themselves now; True where nothing halts the scope any more."""
        kept = {trigger: halt for trigger, halt in self.halts.items() if not 0 < halt.until <= at}
        ended = bool(self.halts) and not kept
        self.halts = kept
        return ended

    def clear(self) -> None:
        """An operator ends every halt."""
        self.halts = {}
