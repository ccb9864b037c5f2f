"""How a number of each unit looks to a person: 1e-9 integers become dollars and shares. Units: `domain.units`."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from titanflow.cli import account_money
from titanflow.cli.output import moment, percent, price, shares
from titanflow.domain import units
from titanflow.domain.types import DenialCode, Nanos, decimal_of
from titanflow.domain.units import Unit

Show = Callable[[Any], str]


def _money(amount: int) -> str:
    return account_money.amount(amount)


def _price(amount: int) -> str:
    return price(decimal_of(amount))


def _quantity(amount: int) -> str:
    return shares(decimal_of(amount))


def _room(amount: int) -> str:
    """Head-room is no whole number of shares; nobody needs all its decimals."""
    return shares(round(decimal_of(amount), 4))


def _fee(amount: int) -> str:
    return account_money.small_amount(amount)


def _ratio(amount: int) -> str:
    return percent(decimal_of(amount))


def _moment(at: Nanos) -> str:
    return moment(at).replace(" ", "T")


def _seconds(nanos: Nanos) -> str:
    return f"{shares(decimal_of(nanos))}s"


def _statistic(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


_SHOWN: Mapping[Unit, Show] = {
    Unit.MONEY: _money,
    Unit.FEE: _fee,
    Unit.PRICE: _price,
    Unit.QUANTITY: _quantity,
    Unit.ROOM: _room,
    Unit.RATIO: _ratio,
    Unit.MOMENT: _moment,
    Unit.DURATION: _seconds,
    Unit.STATISTIC: _statistic,
    Unit.PLAIN: str,
}

EVENT_FIELDS: Mapping[str, Show] = {name: _SHOWN[unit] for name, unit in units.EVENT_FIELDS.items()}
"""Fields of events; all others are shown as they are."""
CONTEXT_NUMBERS: Mapping[str, Show] = {name: _SHOWN[unit] for name, unit in units.CONTEXT_NUMBERS.items()}
"""Numbers behind a verdict, by name."""


def context_numbers(context: Iterable[tuple[str, int | float | str]], code: DenialCode | None = None) -> str:
    """The numbers behind a verdict in one line: `equity $100,000.00 · position room 58`."""
    known = units.context_units(code)
    parts = []
    for name, value in context:
        show = _SHOWN[known.get(name, Unit.PLAIN)]
        parts.append(f"{name.replace('_', ' ')} {show(value) or '–'}")
    return " · ".join(parts)
