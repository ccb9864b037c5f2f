"""The leaderboard as last published, and the points of the equity curves that are kept. Nothing is computed anew."""

from collections.abc import Iterator, Mapping

from projections.fold.rows import Handler, Row, exact, origin
from projections.fold.thinning import Thinning
from titanflow.domain.events import Event, LeaderboardPublished, SessionEnded, SessionStarted, Standing


class StandingFolder:
    """Owns `leaderboard`, `arena` and `equity_curve`."""

    def __init__(self) -> None:
        self._latest: tuple[int, LeaderboardPublished] | None = None
        self._curve: list[Row] = []
        self._thinning: Thinning | None = None
        self._ended = False
        self.handlers: Mapping[type[Event], Handler] = {
            SessionStarted: self._started,
            SessionEnded: self._over,
            LeaderboardPublished: self._published,
        }

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

    def _started(self, seq: int, event: SessionStarted) -> None:
        self._thinning = Thinning(event)

    def _over(self, seq: int, event: SessionEnded) -> None:
        self._ended = True

    def _published(self, seq: int, event: LeaderboardPublished) -> None:
        self._latest = (seq, event)
        if self._thinning is None:
            return
        made = origin(seq, event)
        for contender, point in self._thinning.kept(event, final=self._ended):
            equity, cash, unrealized, gross, gain, drawdown = point
            self._curve.append(
                {
                    **made,
                    "contender": contender,
                    "equity": exact(equity),
                    "cash": exact(cash),
                    "unrealized_pnl": exact(unrealized),
                    "gross_exposure": exact(gross),
                    "total_return": exact(gain),
                    "max_drawdown": exact(drawdown),
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
        "sessions": standing.sessions,
        "returns": standing.returns,
        **_sharpe_bounds(standing),
        "dividends": exact(standing.dividends),
        "receivable": exact(standing.receivable),
    }


def _arena(made: Row, event: LeaderboardPublished) -> Row:
    return {
        **made,
        "total_equity": exact(event.total_equity),
        "max_drawdown": exact(event.max_drawdown),
        "sharpe": event.sharpe,
        "sortino": event.sortino,
        "sessions": event.sessions,
        "returns": event.returns,
        **_sharpe_bounds(event),
    }


def _sharpe_bounds(figures: Standing | LeaderboardPublished) -> Row:
    return {
        "sharpe_low": figures.sharpe_low,
        "sharpe_high": figures.sharpe_high,
        "sharpe_probability": figures.sharpe_probability,
    }
