"""A company's split or dividend, booked in every account; working orders follow a split. Decides no trade."""

from titanflow.domain.corporate_actions import adjust_mark, book_action, split_price, split_quantity
from titanflow.domain.events import CorporateActionApplied
from titanflow.domain.instruments import Instrument
from titanflow.domain.types import CorporateActionKind, DenialCode, Price
from titanflow.execution.market import PaperMarket
from titanflow.execution.orders import WorkingOrder
from titanflow.execution.turn import Turn


def apply_action(
    market: PaperMarket, marks: dict[str, Price], turn: Turn, action: CorporateActionApplied, instrument: Instrument
) -> None:
    """Book it everywhere; say what each order asks for from now on. Closing orders end with a position that is gone."""
    adjust_mark(marks, action)
    for account in market.accounts.values():
        held = account.portfolio.quantity(instrument.id)
        book_action(account.portfolio, action, instrument)
        if action.kind is CorporateActionKind.SPLIT:
            closed = held and not account.portfolio.quantity(instrument.id)
            for order in account.orders_in(instrument.id):
                if closed and order.closing:
                    market.cancel(turn, (order,), DenialCode.POSITION_CLOSED)
                else:
                    _adjust(market, turn, order, action)
    book = market.books.get(instrument.id)
    if book is not None:
        book.rebound()


def adjust_order(order: WorkingOrder, action: CorporateActionApplied) -> bool:
    """Restate an order in the shares after a split; False where less than one increment of an entry is left.

    A closing order is rounded up, so that all is closed or protected: it never takes more than the position holds.
    Limits and stops are rounded to the side on which they act later. Nothing is changed where nothing is left.
    """
    instrument, down = order.instrument, order.awaits_fall
    remaining = split_quantity(order.remaining, action, instrument.quantity_increment, up=order.closing)
    if not remaining:
        return False
    increment = instrument.price_increment
    order.remaining = remaining
    order.quantity = max(split_quantity(order.quantity, action, instrument.quantity_increment, up=True), remaining)
    order.price = split_price(order.price, action, increment, down=down)
    order.stop_price = split_price(order.stop_price, action, increment, down=order.side.sign > 0)
    order.decision_price = split_price(order.decision_price, action, 1, down=True)
    order.worst_price = split_price(order.worst_price, action, 1, down=False)
    return True


def _adjust(market: PaperMarket, turn: Turn, order: WorkingOrder, action: CorporateActionApplied) -> None:
    if adjust_order(order, action):
        turn.adjusted(order)
    else:
        market.cancel(turn, (order,), DenialCode.CORPORATE_ACTION)
