"""A company's split or dividend in the guardian's books. Orders under way follow when the executor says so."""

from titanflow.domain.corporate_actions import adjust_mark, book_action
from titanflow.domain.events import CorporateActionApplied, Event, OrderAdjusted
from titanflow.domain.types import CorporateActionKind, DenialCode
from titanflow.risk.books import House
from titanflow.risk.entries import end_hold
from titanflow.risk.verdicts import Denial


def apply_action(house: House, seq: int, action: CorporateActionApplied) -> list[Event]:
    """Book it for every contender. A held entry was asked in shares that a split does away with: it is denied.

    A position that ends by a split alone is nobody's loss or win: no limit on losses counts it.
    """
    adjust_mark(house.marks, action)
    for book in house.books.values():
        book_action(book.portfolio, action, house.instruments[action.instrument])
    if action.kind is not CorporateActionKind.SPLIT:
        return []
    house.ranges.split(action.instrument, action.new, action.old)
    denial = Denial(DenialCode.CORPORATE_ACTION, (("reason", f"split {action.new}:{action.old}"),))
    return [
        end_hold(book, seq, action.at, hold, denial)
        for book in house.books.values()
        for hold in tuple(book.held.values())
        if hold.request.signal.instrument == action.instrument
    ]


def adjust_order(house: House, adjusted: OrderAdjusted) -> None:
    """An order under way asks for other shares since a split; what a unit of it counts for follows."""
    order = house.books[adjusted.contender].working.get(adjusted.order_id)
    if order is not None and order.remaining:
        order.price = order.price * order.remaining // adjusted.remaining
        order.remaining = adjusted.remaining
