"""How one event looks in one line to a person, and as fields to a program. As a story: `story`."""

from typing import Any

import msgspec

from titanflow.cli.output import moment
from titanflow.cli.units import EVENT_FIELDS, context_numbers
from titanflow.domain.events import Event

_NONE_WHERE_ZERO = frozenset(
    [
        "order_price",
        "stop_price",
        "atr",
        "signal",
        "met_at",
        "reference_price",
        "until",
        "new",
        "old",
        "amount",
        "pay_at",
    ]
)
_NAME_WIDTH = 18


def event_name(event: Event) -> str:
    """The event's class name: the word of the vocabulary."""
    return type(event).__name__


def event_fields(event: Event) -> dict[str, Any]:
    """The event's fields as plain values, in their order and own units (money, prices, quantities, ratios: 1e-9)."""
    fields: dict[str, Any] = msgspec.to_builtins(msgspec.structs.asdict(event))
    return fields


def event_line(event: Event) -> str:
    """The event in one line, numbers in dollars and shares, times in UTC; long fields by their size."""
    parts = []
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if name == "at" or value in ("", None, ()) or (value == 0 and name in _NONE_WHERE_ZERO):
            continue
        parts.append(f"({context_numbers(value, getattr(event, 'code', None))})" if name == "context" else
                     f"{name}={_short(name, value)}")  # fmt: skip
    return f"{moment(getattr(event, 'at', 0))}  {event_name(event):<{_NAME_WIDTH}}  {' '.join(parts)}".rstrip()


def _short(name: str, value: Any) -> str:
    if name in EVENT_FIELDS:
        return EVENT_FIELDS[name](value)
    if isinstance(value, tuple):
        return f"[{len(value)}]"
    return "…" if isinstance(value, msgspec.Struct) else str(value)
