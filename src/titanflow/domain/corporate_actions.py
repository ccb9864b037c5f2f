"""What a split or a dividend does to books, prices and orders: the one arithmetic that everybody folds it with."""

from collections.abc import MutableMapping

from titanflow.domain.events import CorporateActionApplied
from titanflow.domain.instruments import Instrument
from titanflow.domain.portfolio import ActionEntry, Portfolio, RoundTrip
from titanflow.domain.types import CorporateActionKind, InstrumentId, Price, Quantity, floor_to, scaled


def book_action(
    portfolio: Portfolio, action: CorporateActionApplied, instrument: Instrument
) -> tuple[ActionEntry, RoundTrip | None]:
    """Book an action of `instrument`; a round trip where a split left nothing of the position."""
    match action.kind:
        case CorporateActionKind.SPLIT:
            increment = instrument.quantity_increment
            return portfolio.split(action.at, instrument.id, action.new, action.old, increment, action.last_price)
        case CorporateActionKind.DIVIDEND:
            return portfolio.owe(instrument.id, action.ex_at, action.amount), None
        case CorporateActionKind.DIVIDEND_PAYMENT:
            return portfolio.pay(instrument.id, action.ex_at), None


def adjust_mark(marks: MutableMapping[InstrumentId, Price], action: CorporateActionApplied) -> None:
    """Until the next print, the last price is what it was by the split's ratio, or less the dividend."""
    last = marks.get(action.instrument)
    if last is None:
        return
    if action.kind is CorporateActionKind.SPLIT:
        marks[action.instrument] = max(scaled(last * action.old, action.new), 1)
    elif action.kind is CorporateActionKind.DIVIDEND:
        marks[action.instrument] = max(last - action.amount, 1)


def split_price(price: Price, action: CorporateActionApplied, increment: Price, *, down: bool) -> Price:
    """An order's price after a split, to the next whole increment `down` or up; at least one. 0 (none) stays 0."""
    if not price:
        return 0
    if down:
        return max(floor_to(price * action.old // action.new, increment), increment)
    return -floor_to(-price * action.old // action.new, increment)


def split_quantity(quantity: Quantity, action: CorporateActionApplied, increment: Quantity, *, up: bool) -> Quantity:
    """An order's quantity after a split, in whole increments, rounded `up` or down."""
    if up:
        return -floor_to(-quantity * action.new // action.old, increment)
    return floor_to(quantity * action.new // action.old, increment)
