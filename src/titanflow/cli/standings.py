"""The leaderboard as a table and as records, from an event or from the projections alike."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from titanflow.cli.output import dollars, number, percent, signed_dollars, table
from titanflow.domain.events import Standing
from titanflow.domain.types import TradingStatus, decimal_of

Record = Mapping[str, Any]
"""A standing by the names of its fields; money and ratios are Decimal."""

_COLUMNS = (
    "contender", "equity", "P&L", "return", "trades", "win rate", "profit factor", "max drawdown", "Sharpe", "Sortino",
    "Calmar", "exposure", "turnover", "open", "status",
)  # fmt: skip
_SCALED = {
    "cash", "equity", "realized_pnl", "unrealized_pnl", "fees", "gross_exposure", "traded_notional", "total_return",
    "max_drawdown", "exposure", "turnover",
}  # fmt: skip


def record_of(standing: Standing) -> Record:
    """A published standing in dollars and parts of one."""
    fields = msgspec.structs.asdict(standing)
    return {name: decimal_of(value) if name in _SCALED else value for name, value in fields.items()}


def standings_table(standings: Iterable[Record], names: Mapping[str, str]) -> Table:
    """The standings, best equity first."""
    rows = [_row(place, standing, names) for place, standing in enumerate(standings, 1)]
    return table("Leaderboard", ("#", *_COLUMNS), rows, left=2)


def _row(place: int, standing: Record, names: Mapping[str, str]) -> tuple[str | Text, ...]:
    trades, status = standing["trades"], TradingStatus(standing["status"])
    pnl = standing["realized_pnl"] + standing["unrealized_pnl"] - standing["fees"]
    return (
        str(place),
        names.get(standing["contender"], standing["contender"]),
        dollars(standing["equity"]),
        signed_dollars(pnl),
        percent(standing["total_return"]),
        str(trades),
        f"{100 * standing['wins'] / trades:.0f}%" if trades else "–",
        number(standing["profit_factor"]),
        percent(standing["max_drawdown"]),
        number(standing["sharpe"]),
        number(standing["sortino"]),
        number(standing["calmar"]),
        percent(standing["exposure"]),
        percent(standing["turnover"]),
        str(standing["open_positions"]),
        Text(status.replace("_", " "), style="green" if status is TradingStatus.ACTIVE else "bold red"),
    )
