"""May this tick fill this order, how much of it, and at which price? Asks only; the executor books the answer.

Each contender trades in a world of its own and meets the whole tick; orders of one contender share it in the order in
which they were submitted. A limit order fills at the first touch: no queue of other traders stands before it.
"""

from titanflow.domain.events import Print
from titanflow.domain.types import SCALE, OrderType, Price, Quantity, Ratio, Side, floor_to
from titanflow.execution.orders import WorkingOrder
from titanflow.execution.simulation.slippage import SlippageModel, slipped


def reached(order: WorkingOrder, price: Price) -> bool:
    """Whether a trade at `price` touches a stop order's trigger, or is at a limit order's limit or better."""
    return price <= order.price if order.awaits_fall else price >= order.price


def executable_size(size: Quantity, participation: Ratio, increment: Quantity) -> Quantity:
    """How much of a tick of `size` one contender may take: its participation, in whole quantity increments."""
    return floor_to(size * participation // SCALE, increment)


def fill_price(order: WorkingOrder, tick: Print, quantity: Quantity, slippage: SlippageModel) -> Price:
    """The tick's price made worse by slippage; for a limit order never beyond its limit."""
    ratio = slippage.ratio(order.draw_key, order.fills, quantity, tick.size)
    price = slipped(tick.price, order.side, ratio, order.instrument.price_increment)
    if order.type is not OrderType.LIMIT:
        return price
    return min(price, order.price) if order.side is Side.BUY else max(price, order.price)
