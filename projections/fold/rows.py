"""The form of a row before it is written, and how values of events become values of columns."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from projections.fold.units import readable, readable_context
from titanflow.domain.events import Event
from titanflow.domain.types import DenialCode
from titanflow.domain.units import COSTS, EVENT_FIELDS, Unit

Row = dict[str, Any]
"""Column -> value, without `session_id` and without columns that the server computes."""
Batch = dict[str, list[Row]]
"""Table -> rows: new ones for a table that only grows, the latest of each changed thing for a current one."""
Handler = Callable[[int, Any], None]
"""(seq, event): takes the event into the folder's state."""
_PAIRS = {"features", "contributions", "weights", "indices"}
"""Fields that hold (name, value) pairs."""

_encode = msgspec.json.Encoder(enc_hook=str, decimal_format="number").encode
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class Folder(Protocol):
    """A part of the fold that owns some tables. It depends on nothing but the events that it was shown, in order."""

    @property
    def handlers(self) -> Mapping[type[Event], Handler]:
        """Event type -> what takes it in."""
        ...

    def drain(self) -> Iterator[tuple[str, list[Row]]]:
        """The rows of everything taken in since the last drain, table by table."""
        ...


def origin(seq: int, event: Any) -> Row:
    """The columns of every derived row: where it comes from, why and when."""
    return {"seq": seq, "cause": event.cause, "at_ns": event.at}


def exact(units: int) -> str:
    """`units` of 1e-9 as a number that the server reads without rounding."""
    return f"{units}e-9"


def exact_or_none(units: int) -> str | None:
    """The same for a field whose zero says that there is none."""
    return f"{units}e-9" if units else None


def plain(text: str) -> str:
    """The text without NUL, which PostgreSQL cannot store and a person may have typed."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def document(value: Any) -> str:
    """JSON for a JSONB column; decimals are exact numbers, NaN and infinities become null."""
    text = _encode(value).decode()
    return text if "\\u0000" not in text else _encode(_without_nul(_decode(text))).decode()


def fields_of(event: msgspec.Struct) -> dict[str, object]:
    """The fields of a struct by name, structs inside it too, each number in its unit and each moment in words."""
    code = getattr(event, "code", None)
    return {name: _told(name, getattr(event, name), code) for name in event.__struct_fields__}


def costs_of(costs: Iterable[tuple[str, int | float | str]]) -> dict[str, object]:
    """What made a fill's price worse, by name, in dollars a share, and what that was made of."""
    return {name: readable(COSTS.get(name, Unit.PLAIN), value) for name, value in costs}


def _told(name: str, value: Any, code: DenialCode | None) -> object:
    match name:
        case "context":
            return readable_context(value, code)
        case "costs":
            return costs_of(value)
        case _ if name in _PAIRS:
            return dict(value)
        case _:
            return _named(readable(EVENT_FIELDS.get(name, Unit.PLAIN), value))


def _named(value: Any) -> object:
    if isinstance(value, msgspec.Struct):
        return fields_of(value)
    if isinstance(value, tuple):
        return [_named(item) for item in value]
    return value


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {plain(name): _without_nul(item) for name, item in value.items()}
    return value
