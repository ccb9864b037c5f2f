"""The unit of every number by its name, and the number in that unit: 1e-9 integers become dollars and shares."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from titanflow.cli.output import dollars, moment, percent, price, shares, small_dollars
from titanflow.domain.types import DenialCode, Nanos, decimal_of

Show = Callable[[Any], str]


def _money(units: int) -> str:
    return f"${dollars(decimal_of(units))}"


def _price(units: int) -> str:
    return price(decimal_of(units))


def _quantity(units: int) -> str:
    return shares(decimal_of(units))


def _room(units: int) -> str:
    """Head-room is no whole number of shares; nobody needs all its decimals."""
    return shares(round(decimal_of(units), 4))


def _fee(units: int) -> str:
    return f"${small_dollars(decimal_of(units))}"


def _ratio(units: int) -> str:
    return percent(decimal_of(units))


def _moment(at: Nanos) -> str:
    return moment(at).replace(" ", "T")


def _seconds(nanos: Nanos) -> str:
    return f"{shares(decimal_of(nanos))}s"


def _statistic(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _by(show: Show, names: str) -> dict[str, Show]:
    return dict.fromkeys(names.split(), show)


EVENT_FIELDS: Mapping[str, Show] = {
    **_by(
        _price, "price open high low close bid ask order_price stop_price decision_price reference_price atr slippage"
    ),
    **_by(_fee, "fee"),
    **_by(_money, "realized_pnl equity opening_equity total_equity"),
    **_by(_quantity, "quantity size volume remaining"),
    **_by(_ratio, "drawdown max_drawdown"),
    **_by(_moment, "at opened_at active_at expires_at met_at since"),
    **_by(_seconds, "silent_nanos"),
    **_by(_statistic, "confidence value threshold rolling_sharpe rolling_accuracy sharpe sortino"),
}
"""Fields of events; all others are shown as they are."""

CONTEXT_NUMBERS: Mapping[str, Show] = {
    **_by(_price, "price atr order_price stop_price"),
    **_by(_money, "equity exposure_room total_exposure_room order_value position_value cost buying_power"),
    **_by(_room, "risk_room position_room"),
    **_by(_quantity, "position committed quantity remaining increment"),
    **_by(_ratio, "concentration"),
    **_by(_moment, "at entries_from entries_until close expires_at"),
    **_by(_statistic, "confidence minimum"),
    **_by(str, "scope trigger instrument kind purpose held orders signal operator reason field order_id contender"),
    **_by(str, "calendar limit"),
}
"""Numbers behind a verdict, by name."""

LIMITS: Mapping[DenialCode | None, Show] = {DenialCode.ORDER_VALUE: _money, DenialCode.CONCENTRATION: _ratio}
"""The unit of `limit` where it is not a count."""


def context_numbers(context: Iterable[tuple[str, int | float | str]], code: DenialCode | None = None) -> str:
    """The numbers behind a verdict in one line: `equity $100,000.00 · position room 58`."""
    units = {**CONTEXT_NUMBERS, "limit": LIMITS[code]} if code in LIMITS else CONTEXT_NUMBERS
    parts = []
    for name, value in context:
        show = units.get(name, str)
        parts.append(f"{name.replace('_', ' ')} {show(value) or '–'}")
    return " · ".join(parts)
