"""May a print fill this order, how much of it, and at which price? Asks only; the executor books the answer.

Each contender trades in a world of its own and meets the whole print; orders of one contender share it in the order in
which they meet it. A limit order fills at the first touch: no queue of other traders stands before it.
"""

from typing import NamedTuple

from titanflow.domain.events import IN_FEE, BarPointReceived, Print
from titanflow.domain.instruments import Instrument
from titanflow.domain.types import SCALE, Money, Nanos, OrderType, Price, Quantity, Ratio, Side, floor_to
from titanflow.execution.orders import WorkingOrder
from titanflow.execution.simulation.costs import CostModel, Fill, Priced


class Meeting(NamedTuple):
    """An order meets the market: when, and at which price before costs."""

    at: Nanos
    price: Price


def reached(order: WorkingOrder, price: Price) -> bool:
    """Whether `price` touches a stop order's trigger, or is at a limit order's limit or better."""
    return price <= order.price if order.awaits_fall else price >= order.price


def executable_size(size: Quantity, participation: Ratio, increment: Quantity) -> Quantity:
    """How much of a print of `size` one contender may take: its participation, in whole quantity increments."""
    return floor_to(size * participation // SCALE, increment)


def fill_price(order: WorkingOrder, met: Print, where: Meeting, quantity: Quantity, costs: CostModel) -> Priced:
    """The market's price where it is met, made worse by what trading costs: the one place where costs are asked for.

    `met` is the print that fills: the trade itself, or the point in which a bar's leg ends.
    """
    price, parts = costs.priced(Fill(order, where.at, where.price, quantity, met.size))
    allowed = _within_limit(order, price)
    within = _within_range(order, met, allowed)
    if allowed != price:
        parts = (*parts, ("limited", (allowed - price) * order.side.sign))
    if within != allowed:
        parts = (*parts, (IN_FEE, (within - allowed) * order.side.sign))
    return Priced(within, parts)


def cost_beside(instrument: Instrument, priced: Priced, quantity: Quantity) -> Money:
    """What the range of a bar kept out of a fill's price: it is paid with the fee."""
    return sum(instrument.value(-int(amount), quantity) for name, amount in priced.costs if name == IN_FEE)


def _within_limit(order: WorkingOrder, price: Price) -> Price:
    if order.type is not OrderType.LIMIT:
        return price
    return min(price, order.price) if order.side is Side.BUY else max(price, order.price)


def _within_range(order: WorkingOrder, met: Print, price: Price) -> Price:
    """No fill lies outside the range of the bar that fills it."""
    if not isinstance(met, BarPointReceived):
        return price
    return min(price, met.high) if order.side is Side.BUY else max(price, met.low)
