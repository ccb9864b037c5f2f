"""The kill switch of one scope (a contender, or all together): when it trips and how it is reset. Emits no events."""

from titanflow.domain.types import SCALE, KillTrigger, Money, Ratio, ratio_of


class KillSwitch:
    """Watches equity against the day's opening and losing round trips in a row. Tripped, it stays so until `resume`.

    An operator may halt a scope and keep its positions: then the limits stay armed, and a breach still liquidates.
    """

    __slots__ = ("_max_drawdown", "_max_losses", "liquidating", "losses", "opening_equity", "trigger")

    def __init__(self, opening_equity: Money, max_drawdown: Ratio, max_losses: int | None) -> None:
        self._max_drawdown = max_drawdown
        self._max_losses = max_losses
        self.opening_equity = opening_equity
        self.losses = 0
        self.trigger: KillTrigger | None = None
        self.liquidating = False

    @property
    def halted(self) -> bool:
        """Whether no entry is allowed."""
        return self.trigger is not None

    def open_day(self, equity: Money) -> None:
        """Measure drawdown from `equity` from now on. A halt goes on: only a person ends it."""
        self.opening_equity = equity

    def count(self, pnl: Money) -> None:
        """Take in a closed round trip: a loss extends the streak, anything else ends it."""
        self.losses = self.losses + 1 if pnl < 0 else 0

    def drawdown(self, equity: Money) -> Ratio:
        """Fall of `equity` below the day's opening as a part of it; negative for a gain."""
        return ratio_of(self.opening_equity - equity, self.opening_equity)

    def breach(self, equity: Money) -> KillTrigger | None:
        """The limit that is reached, compared without rounding; None when within limits or already liquidating."""
        if self.liquidating:
            return None
        if (self.opening_equity - equity) * SCALE >= self._max_drawdown * self.opening_equity:
            return KillTrigger.DRAWDOWN
        if self._max_losses is not None and self.losses >= self._max_losses:
            return KillTrigger.CONSECUTIVE_LOSSES
        return None

    def trip(self, trigger: KillTrigger, liquidating: bool) -> None:
        """Halt; `liquidating` where positions are closed as well."""
        self.trigger = trigger
        self.liquidating = self.liquidating or liquidating

    def resume(self, equity: Money) -> None:
        """Start anew from `equity`, with no losses counted."""
        self.trigger = None
        self.liquidating = False
        self.losses = 0
        self.opening_equity = equity
