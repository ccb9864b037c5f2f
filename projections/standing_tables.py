"""The tables of standings and equity curves, with their constraints; `tables` has all others."""

from typing import Any

from sqlalchemy import Column, Integer, UniqueConstraint

from projections.columns import check, double, exact, integer, of_contender, of_session, one_of, table, text
from titanflow.domain.types import TradingStatus


def sharpe_bounds() -> tuple[Column[Any], ...]:
    """How sure the Sharpe ratio is: the ends of its interval, and the probability that it is above 0."""
    return tuple(double(name, null=True) for name in ("sharpe_low", "sharpe_high", "sharpe_probability"))


leaderboard = table(
    "leaderboard",
    ("contender",),
    text("contender"),
    Column("rank", Integer, nullable=False),
    text("status"),
    text("stage"),
    *map(exact, ("cash", "equity", "realized_pnl", "unrealized_pnl", "fees", "gross_exposure")),
    *map(integer, ("open_positions", "fills", "trades", "wins")),
    *map(exact, ("traded_notional", "total_return", "max_drawdown")),
    *(double(name, null=True) for name in ("profit_factor", "sharpe", "sortino", "calmar")),
    *map(exact, ("exposure", "turnover", "dividends", "receivable")),
    integer("sessions", null=True),
    integer("returns"),
    *sharpe_bounds(),
    of_contender(),
    UniqueConstraint("session_id", "rank", deferrable=True, initially="DEFERRED"),
    one_of("status", TradingStatus),
    check("rank", "rank > 0"),
    check("trades", "wins >= 0 AND wins <= trades AND trades <= fills AND open_positions >= 0"),
    check("ratios", "max_drawdown >= 0 AND exposure >= 0 AND exposure <= 1 AND turnover >= 0"),
    current=True,
)

arena = table(
    "arena",
    (),
    exact("total_equity"),
    exact("max_drawdown"),
    double("sharpe", null=True),
    double("sortino", null=True),
    integer("sessions"),
    integer("returns"),
    *sharpe_bounds(),
    of_session(),
    check("drawdown", "max_drawdown >= 0"),
    current=True,
)
"""The statistics of all contenders together, as last published."""

equity_curve = table(
    "equity_curve",
    ("contender", "seq"),
    text("contender"),
    *map(exact, ("equity", "cash", "unrealized_pnl", "gross_exposure", "total_return", "max_drawdown")),
    check("exposure", "gross_exposure >= 0 AND max_drawdown >= 0"),
)
"""The points of each contender's curve that are kept: `projections.fold.thinning`.

A foreign key would double their cost; each comes with a row of `leaderboard`, which has it.
"""
