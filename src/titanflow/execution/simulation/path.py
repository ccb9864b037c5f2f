"""The path that stands for a bar: between two of its points the price moves in a straight line of time.

Where an order meets a leg of it, and at which price before costs. Whole numbers throughout, so every machine agrees.
"""

from titanflow.domain.events import BarPointReceived
from titanflow.domain.types import Nanos, OrderType, Price, scaled
from titanflow.execution.orders import WorkingOrder
from titanflow.execution.simulation.matching import Meeting, reached


def price_on(leg: BarPointReceived, at: Nanos) -> Price:
    """The price at a moment of the leg, rounded half to even."""
    if at >= leg.at:
        return leg.price
    return leg.from_price + scaled((leg.price - leg.from_price) * (at - leg.from_at), leg.at - leg.from_at)


def meeting(order: WorkingOrder, leg: BarPointReceived, opens: Nanos) -> Meeting | None:
    """Where an order meets the part of the leg in which it is active and its venue open; None where it does not.

    Beyond its price from the start of that part on, it meets the market there, at the market's price: a gap, or an
    order that came late. Only a limit that this bar's path has crossed before, and that waits for the rest of its
    quantity, keeps its own price. Otherwise it meets the line where that crosses its price.
    """
    start = max(leg.from_at, order.active_at, opens)
    if start > leg.at:
        return None
    if order.type is OrderType.MARKET:
        return Meeting(start, price_on(leg, start))
    if _beyond(order, leg, start):
        return Meeting(start, order.price if order.crossed == leg.opened_at else price_on(leg, start))
    if reached(order, leg.price):
        return Meeting(_crossing(leg, order.price), order.price)
    return None


def _beyond(order: WorkingOrder, leg: BarPointReceived, at: Nanos) -> bool:
    """Whether the line stands at the order's price or past it; exact, where `price_on` is rounded."""
    if at >= leg.at:
        return reached(order, leg.price)
    span = leg.at - leg.from_at
    above = (leg.from_price - order.price) * span + (leg.price - leg.from_price) * (at - leg.from_at)
    return above <= 0 if order.awaits_fall else above >= 0


def _crossing(leg: BarPointReceived, price: Price) -> Nanos:
    """The first whole nanosecond at which the line has reached a price between its ends."""
    way, whole = abs(price - leg.from_price), abs(leg.price - leg.from_price)
    return leg.from_at - way * (leg.from_at - leg.at) // whole
