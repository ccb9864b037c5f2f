"""Numbers as records tell them: exact decimals in dollars and shares, moments in words. The units: `domain.units`."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from titanflow.domain.types import NANOS_PER_SECOND, SCALE, DenialCode, Nanos
from titanflow.domain.units import Unit, context_units

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SCALED = frozenset({Unit.MONEY, Unit.FEE, Unit.PRICE, Unit.QUANTITY, Unit.ROOM, Unit.RATIO, Unit.DURATION})


def readable(unit: Unit, value: Any) -> Any:
    """The value as a record shows it: an exact decimal number in its unit, a moment as ISO 8601 to the nanosecond."""
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    if unit is Unit.MOMENT:
        return iso(value)
    return _decimal(value) if unit in _SCALED else value


def readable_context(
    context: Iterable[tuple[str, int | float | str]], code: DenialCode | None = None
) -> dict[str, Any]:
    """The numbers behind a verdict by name, each in its unit."""
    units = context_units(code)
    return {name: readable(units.get(name, Unit.PLAIN), value) for name, value in context}


def iso(at: Nanos) -> str:
    """A moment in UTC with all nine decimals: `2019-02-11T14:30:00.000000000Z`."""
    seconds, nanos = divmod(at, NANOS_PER_SECOND)
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanos:09d}Z"


def _decimal(units: int) -> Decimal:
    """The exact number, without zeros behind it."""
    whole, part = divmod(abs(units), SCALE)
    text = f"{whole}.{part:09d}".rstrip("0").rstrip(".")
    return Decimal(f"-{text}" if units < 0 else text)
