"""The leaderboard as a table and as records, from an event or from the tables alike, and why a figure is a dash."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from titanflow.cli.output import Column, dollars, number, percent, signed_dollars, table
from titanflow.domain.events import Standing
from titanflow.domain.types import TradingStatus, decimal_of
from titanflow.risk.absences import LEAST_TRIPS, Absence, absences

Record = Mapping[str, Any]
"""A standing by the names of its fields; money and ratios are Decimal."""

_SCALED = {
    "cash", "equity", "realized_pnl", "unrealized_pnl", "fees", "gross_exposure", "traded_notional", "total_return",
    "max_drawdown", "exposure", "turnover", "dividends", "receivable",
}  # fmt: skip


_FIGURES = {
    "sharpe": "Sharpe", "sortino": "Sortino", "calmar": "Calmar", "profit_factor": "profit factor",
    "win_rate": "win rate",
}  # fmt: skip
_NAMED = 3
"""Contenders that a reason names; of more it says how many."""


def record_of(standing: Standing) -> Record:
    """A published standing in dollars and parts of one, with why figures are `absent`."""
    fields = msgspec.structs.asdict(standing)
    return explained({name: decimal_of(value) if name in _SCALED else value for name, value in fields.items()})


def explained(standing: Record) -> Record:
    """The standing with `absent`: figure -> code of the reason why it is not given."""
    return {**standing, "absent": {figure: absence.value for figure, absence in absences(standing).items()}}


def absence_notes(standings: Iterable[Record]) -> list[str]:
    """Why there are dashes: a line for each reason, with the figures and the contenders that it concerns."""
    records = list(standings)
    found: dict[tuple[Absence, tuple[str, ...]], list[str]] = {}
    for record in records:
        reasons: dict[Absence, list[str]] = {}
        for figure, absence in absences(record).items():
            reasons.setdefault(absence, []).append(_FIGURES[figure])
        for absence, figures in reasons.items():
            found.setdefault((absence, tuple(figures)), []).append(record["contender"])
    return [
        f"– {', '.join(figures)} of {_who(names, len(records))}: {absence.meaning}"
        for (absence, figures), names in found.items()
    ]


def _who(names: list[str], everybody: int) -> str:
    if len(names) == everybody > 1:
        return "all"
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def standings_table(standings: Iterable[Record], names: Mapping[str, str], width: int | None = None) -> Table:
    """The standings, best equity first, with as many columns as fit into `width`; `names` by contender."""
    columns = [Column("#", right=True), Column("contender"), Column("model", 9), *(column for column, _ in _CELLS)]
    rows: list[list[str | Text]] = []
    for place, standing in enumerate(standings, 1):
        contender = standing["contender"]
        row: list[str | Text] = [str(place), contender, names.get(contender, "")]
        rows.append(row + [cell(standing) for _, cell in _CELLS])
    return table("Leaderboard", columns, rows, width)


def _pnl(standing: Record) -> Text:
    earned = standing["realized_pnl"] + standing["unrealized_pnl"] + standing["dividends"]
    return signed_dollars(earned - standing["fees"])


def _win_rate(standing: Record) -> str:
    return f"{100 * standing['wins'] / standing['trades']:.0f}%" if standing["trades"] >= LEAST_TRIPS else "–"


def _sharpe(standing: Record) -> str:
    """The ratio, and how far the ends of its interval lie from it."""
    ratio, high = standing["sharpe"], standing["sharpe_high"]
    return number(ratio) if ratio is None or high is None else f"{ratio:.2f} ±{high - ratio:.1f}"


def _status(standing: Record) -> Text:
    status = TradingStatus(standing["status"])
    return Text(status.replace("_", " "), style="green" if status is TradingStatus.ACTIVE else "bold red")


def _stage(standing: Record) -> Text:
    stage = standing["stage"]
    return Text(stage or "–", style="bold red" if stage == "faulty" else "")


_CELLS: tuple[tuple[Column, Callable[[Record], str | Text]], ...] = (
    (Column("equity", right=True), lambda s: dollars(s["equity"])),
    (Column("P&L", right=True), _pnl),
    (Column("return", 2, right=True), lambda s: percent(s["total_return"])),
    (Column("trades", 1, right=True), lambda s: str(s["trades"])),
    (Column("win rate", 3, right=True), _win_rate),
    (Column("profit factor", 6, right=True), lambda s: number(s["profit_factor"])),
    (Column("max drawdown", 4, right=True), lambda s: percent(s["max_drawdown"])),
    (Column("Sharpe ±95%", 3, right=True), _sharpe),
    (Column("Sortino", 7, right=True), lambda s: number(s["sortino"])),
    (Column("Calmar", 10, right=True), lambda s: number(s["calmar"])),
    (Column("exposure", 8, right=True), lambda s: percent(s["exposure"])),
    (Column("turnover", 10, right=True), lambda s: percent(s["turnover"])),
    (Column("open", 5, right=True), lambda s: str(s["open_positions"])),
    (Column("stage", 3), _stage),
    (Column("status"), _status),
)
