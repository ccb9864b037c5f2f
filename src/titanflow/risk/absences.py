"""Why a figure of a standing is absent: as a code for programs, and in words for people.

A function of the standing alone, so that ledger, tables and screens cannot disagree about it.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from titanflow.risk.performance import LEAST_SESSIONS, LEAST_SESSIONS_OF_A_YEAR

LEAST_TRIPS = 10
"""Round trips below which there is no talk of a win rate."""


class Absence(StrEnum):
    """Why a figure is not given. Closed: the table in docs/ARCHITECTURE.md is generated from it."""

    COULD_NOT_TRADE = "COULD_NOT_TRADE"
    NEEDS_3_SESSIONS = "NEEDS_3_SESSIONS"
    NEEDS_30_SESSIONS = "NEEDS_30_SESSIONS"
    NOT_DEFINED = "NOT_DEFINED"
    NO_LOSS = "NO_LOSS"
    NO_ROUND_TRIP = "NO_ROUND_TRIP"
    NEEDS_10_TRIPS = "NEEDS_10_TRIPS"

    @property
    def meaning(self) -> str:
        """One line for people."""
        return _MEANINGS[self]


_MEANINGS = {
    Absence.COULD_NOT_TRADE: "It has not yet been able to trade: no model, a stale one, or all was in its training.",
    Absence.NEEDS_3_SESSIONS: "Fewer than three trading days, or returns, lie behind it.",
    Absence.NEEDS_30_SESSIONS: "Fewer than thirty trading days lie behind it: nothing is compounded to a year.",
    Absence.NOT_DEFINED: "Its returns were too alike, or too small, to divide by: it is not defined or beyond ±100.",
    Absence.NO_LOSS: "There was no loss to divide by, or next to none.",
    Absence.NO_ROUND_TRIP: "No position was opened and closed.",
    Absence.NEEDS_10_TRIPS: "Fewer than ten round trips lie behind it.",
}
_RATIOS = ("sharpe", "sortino", "calmar")


class Known(NamedTuple):
    """What of a standing says why a figure is absent."""

    sharpe: float | None
    sortino: float | None
    calmar: float | None
    profit_factor: float | None
    trades: int
    sessions: int | None
    returns: int


def absences(standing: Mapping[str, Any]) -> dict[str, Absence]:
    """Figure -> why it is absent, of a standing by the names of its fields; `win_rate` is wins of trades."""
    return dict(absent_figures(Known(*(standing[name] for name in Known._fields))))


@lru_cache(maxsize=4096)
def absent_figures(known: Known) -> tuple[tuple[str, Absence], ...]:
    """The same as pairs; contenders are published every other second and mostly as they were."""
    found = [(figure, _of_ratio(figure, known)) for figure in _RATIOS if getattr(known, figure) is None]
    trades = known.trades
    if known.profit_factor is None:
        found.append(("profit_factor", Absence.NO_LOSS if trades else Absence.NO_ROUND_TRIP))
    if trades < LEAST_TRIPS:
        found.append(("win_rate", Absence.NEEDS_10_TRIPS if trades else Absence.NO_ROUND_TRIP))
    return tuple(found)


def absences_table() -> str:
    """The reasons with their meanings as a Markdown table."""
    rows = [f"| `{absence}` | {absence.meaning} |" for absence in Absence]
    return "\n".join(("| reason | meaning |", "|---|---|", *rows))


def _of_ratio(figure: str, known: Known) -> Absence:
    sessions = known.sessions
    if sessions is None:
        return Absence.COULD_NOT_TRADE
    if sessions < LEAST_SESSIONS or known.returns < LEAST_SESSIONS:
        return Absence.NEEDS_3_SESSIONS
    if figure == "calmar" and sessions < LEAST_SESSIONS_OF_A_YEAR:
        return Absence.NEEDS_30_SESSIONS
    if figure != "sharpe" and known.sharpe is not None and known.sharpe > 0:
        return Absence.NO_LOSS
    return Absence.NOT_DEFINED
