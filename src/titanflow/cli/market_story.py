"""Prints and companies' doings told to a person, a sentence each."""

from titanflow.cli.output import price, shares, to_second
from titanflow.domain.events import (
    CorporateActionApplied,
    OfficialPrintReceived,
    OffMarketPrintReceived,
    OrderAdjusted,
    TickReceived,
)
from titanflow.domain.types import CorporateActionKind, OffMarketReason, Price, Quantity, decimal_of


def print_sentence(event: TickReceived | OffMarketPrintReceived | OfficialPrintReceived) -> str:
    """A print, and why it sets no price where it sets none."""
    what = f"{_quantity(event.size)} at {_price(event.price)}"
    if isinstance(event, OfficialPrintReceived):
        return f"{event.instrument}: official price of the auction, {what} (repeated: neither price nor volume)"
    if isinstance(event, TickReceived):
        return f"{event.instrument} traded: {what}"
    lone = event.reason is OffMarketReason.UNCONFIRMED
    why = "far off the recent range, not confirmed: volume only" if lone else "off the market: volume only"
    return f"{event.instrument} traded ({why}): {what}"


def company_sentence(event: CorporateActionApplied | OrderAdjusted) -> str:
    """A split, a dividend, its payment; an order that followed a split."""
    instrument = event.instrument
    if isinstance(event, OrderAdjusted):
        at = f" at {_price(event.order_price)}" if event.order_price else ""
        stop = f", stop at {_price(event.stop_price)}" if event.stop_price else ""
        return f"order {event.order_id} follows the split: {_quantity(event.remaining)} {instrument}{at}{stop}"
    if event.kind is CorporateActionKind.SPLIT:
        return f"{instrument} was split {event.new}:{event.old}, its last price being {_price(event.last_price)}"
    if event.kind is CorporateActionKind.DIVIDEND:
        day = to_second(event.pay_at).partition(" ")[0]
        return f"{instrument} went ex dividend: {_price(event.amount)} a share is owed, to be paid on {day}"
    return f"{instrument} paid its dividend: {_price(event.amount)} a share"


def _price(units: Price) -> str:
    return price(decimal_of(units))


def _quantity(units: Quantity) -> str:
    return shares(decimal_of(units))
