"""The leaderboard as last published, and the equity curve of every publication. Nothing is computed anew."""

from collections.abc import Iterator, Mapping

from projections.fold.rows import Handler, Row, exact, origin
from titanflow.domain.events import Event, LeaderboardPublished, Standing


class StandingFolder:
    """Owns `leaderboard`, `arena` and `equity_curve`."""

    def __init__(self) -> None:
        self._latest: tuple[int, LeaderboardPublished] | None = None
        self._curve: list[Row] = []
        self.handlers: Mapping[type[Event], Handler] = {LeaderboardPublished: self._published}

    def drain(self) -> Iterator[tuple[str, list[Row]]]:
        """See Folder."""
        if self._latest is None:
            return
        made = origin(*self._latest)
        event = self._latest[1]
        yield "leaderboard", [_place(made, rank, standing) for rank, standing in enumerate(event.standings, 1)]
        yield "arena", [_arena(made, event)]
        yield "equity_curve", self._curve
        self._latest, self._curve = None, []

    def _published(self, seq: int, event: LeaderboardPublished) -> None:
        self._latest = (seq, event)
        cause, at = event.cause, event.at
        for standing in event.standings:
            self._curve.append(
                {
                    "seq": seq,
                    "cause": cause,
                    "at_ns": at,
                    "contender": standing.contender,
                    "equity": exact(standing.equity),
                    "cash": exact(standing.cash),
                    "unrealized_pnl": exact(standing.unrealized_pnl),
                    "gross_exposure": exact(standing.gross_exposure),
                    "total_return": exact(standing.total_return),
                    "max_drawdown": exact(standing.max_drawdown),
                }
            )


def _place(made: Row, rank: int, standing: Standing) -> Row:
    return {
        **made,
        "contender": standing.contender,
        "rank": rank,
        "status": standing.status,
        "stage": standing.stage,
        "cash": exact(standing.cash),
        "equity": exact(standing.equity),
        "realized_pnl": exact(standing.realized_pnl),
        "unrealized_pnl": exact(standing.unrealized_pnl),
        "fees": exact(standing.fees),
        "gross_exposure": exact(standing.gross_exposure),
        "open_positions": standing.open_positions,
        "fills": standing.fills,
        "trades": standing.trades,
        "wins": standing.wins,
        "traded_notional": exact(standing.traded_notional),
        "total_return": exact(standing.total_return),
        "max_drawdown": exact(standing.max_drawdown),
        "profit_factor": standing.profit_factor,
        "sharpe": standing.sharpe,
        "sortino": standing.sortino,
        "calmar": standing.calmar,
        "exposure": exact(standing.exposure),
        "turnover": exact(standing.turnover),
    }


def _arena(made: Row, event: LeaderboardPublished) -> Row:
    return {
        **made,
        "total_equity": exact(event.total_equity),
        "max_drawdown": exact(event.max_drawdown),
        "sharpe": event.sharpe,
        "sortino": event.sortino,
    }
