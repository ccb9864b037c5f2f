"""Losing round trips in a row: which of them count, and when the row is long and costly enough to act."""

from titanflow.domain.types import SCALE, Money, Ratio


class LossStreak:
    """A row of losing round trips. Its length alone says little: half of all rows of a fair coin begin with a loss.

    A loss below `counts_from` of the capital neither adds to the row nor ends it; anything but a loss ends it. The row
    is reached with `most` losses, once they cost `cost` of the capital together.
    """

    __slots__ = ("_cost", "_counts_from", "_most", "_spent", "losses")

    def __init__(self, most: int, counts_from: Ratio, cost: Ratio) -> None:
        self._most = most
        self._counts_from = counts_from
        self._cost = cost
        self.clear()

    def clear(self) -> None:
        """No loss so far."""
        self.losses = 0
        self._spent: Money = 0

    def add(self, pnl: Money, capital: Money) -> None:
        """Take in a closed round trip's P&L after fees; `capital` is the day's opening equity."""
        if pnl >= 0:
            self.clear()
        elif -pnl * SCALE >= self._counts_from * capital:
            self.losses += 1
            self._spent -= pnl

    def reached(self, capital: Money) -> bool:
        """Whether the row is long enough, and cost enough."""
        return self.losses >= self._most and self._spent * SCALE >= self._cost * capital
