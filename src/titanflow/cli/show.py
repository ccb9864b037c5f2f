"""How one event looks to a person and to a program."""

from typing import Any

import msgspec

from titanflow.cli.output import moment, price, shares
from titanflow.domain.events import Event
from titanflow.domain.types import decimal_of

_PRICES = {"price", "open", "high", "low", "close", "order_price", "stop_price", "decision_price", "atr"}
_QUANTITIES = {"quantity", "size", "volume", "remaining"}
_TIMES = {"at", "opened_at", "active_at", "expires_at"}
_LONG = {"settings", "instruments", "calendars", "contenders", "standings", "features", "explanation", "context"}


def event_name(event: Event) -> str:
    """The event's class name: the word of the vocabulary."""
    return type(event).__name__


def event_fields(event: Event) -> dict[str, Any]:
    """The event's fields as plain values, in their order and own units."""
    fields: dict[str, Any] = msgspec.to_builtins(msgspec.structs.asdict(event))
    return fields


def event_line(event: Event) -> str:
    """The event's short fields in one line, numbers in dollars and shares, times in UTC; long fields by their size."""
    parts = [moment(getattr(event, "at", 0)), event_name(event)]
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if name == "at" or value in ("", None):
            continue
        parts.append(f"{name}={_short(name, value)}")
    return "  ".join(parts[:2]) + "  " + " ".join(parts[2:])


def _short(name: str, value: Any) -> str:
    if name in _PRICES:
        return price(decimal_of(value))
    if name in _QUANTITIES:
        return shares(decimal_of(value))
    if name in _TIMES:
        return moment(value).replace(" ", "T")
    if name in _LONG:
        return f"[{len(value)}]" if isinstance(value, tuple) else "…"
    return str(value)
