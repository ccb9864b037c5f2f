"""How legacy readers want numbers and moments written."""

from datetime import UTC, datetime, timedelta

from projections.mirror.messages import Number, SideName
from titanflow.domain.types import SCALE, Nanos, Price, Ratio, Side, as_float

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def number(units: int) -> Number:
    """`units` of 1e-9 as an int where whole, else as a float."""
    return units / SCALE if units % SCALE else units // SCALE


def percent(ratio: Ratio) -> float:
    """A ratio (1e-9) in percent."""
    return ratio * 100 / SCALE


def iso(at: Nanos) -> str:
    """ISO-8601 in UTC with six decimals (nanoseconds are cut), as in `2019-02-11T14:30:00.000000+00:00`."""
    return (_EPOCH + timedelta(microseconds=at // 1000)).isoformat(timespec="microseconds")


def known(price: Price) -> float | None:
    """A price, or None where 0 stands for none."""
    return as_float(price) if price else None


def lower(side: Side) -> SideName:
    """The side as orders spell it."""
    return "buy" if side is Side.BUY else "sell"
