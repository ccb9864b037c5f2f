"""Which points of the published equity curves are kept: a bounded number, chosen by the ledger alone.

A contender's point is kept where something of it changed since its last one and `step` has passed since then, where a
trading day has ended in between, and at the session's end. The step is `leaderboard.sample_seconds`, and grows with the
session: it is never less than a part of the time since the start, so that the number of points grows by the logarithm.
"""

from titanflow.domain.events import LeaderboardPublished, SessionStarted, Standing
from titanflow.domain.types import NANOS_PER_SECOND, Nanos
from titanflow.risk.trading_days import TradingDays

POINTS = 5_000
"""The step is at least one part in so many of the session so far ..."""
ALL_POINTS = 100_000
"""... and where many compete, one part in their share of so many, ..."""
FEWEST_POINTS = 100
"""... which is never less than this."""

Point = tuple[int, int, int, int, int, int]
"""What a row says of a standing."""


def point_of(standing: Standing) -> Point:
    """The figures of a row, in the order of its columns."""
    return (
        standing.equity,
        standing.cash,
        standing.unrealized_pnl,
        standing.gross_exposure,
        standing.total_return,
        standing.max_drawdown,
    )


class Thinning:
    """Decides, publication by publication, whose points are kept."""

    def __init__(self, started: SessionStarted) -> None:
        self._start = started.at
        self._least = started.settings.leaderboard.sample_seconds * NANOS_PER_SECOND
        share = ALL_POINTS // max(1, len(started.contenders))
        self._parts = min(POINTS, max(FEWEST_POINTS, share))
        self._days = TradingDays(started.calendars, started.at)
        self._kept: dict[str, tuple[Nanos, Point]] = {}
        """Contender -> time and figures of its last point."""

    def kept(self, published: LeaderboardPublished, *, final: bool) -> list[tuple[str, Point]]:
        """The contenders whose points are kept, in the order of their standings."""
        at = published.at
        always = len(list(self._days.ended(at))) > 0 or final
        step = max(self._least, (at - self._start) // self._parts)
        found = []
        for standing in published.standings:
            name, point = standing.contender, point_of(standing)
            last = self._kept.get(name)
            if last is None or ((always or at - last[0] >= step) and point != last[1]):
                self._kept[name] = at, point
                found.append((name, point))
        return found
