"""What an order costs in commission: by its schedule's rates, and once an order at least the schedule's minimum."""

from titanflow.domain.instruments import FeeSchedule
from titanflow.domain.types import Money, Price, Quantity, notional, portion
from titanflow.execution.orders import WorkingOrder


def by_rates(schedule: FeeSchedule, price: Price, quantity: Quantity) -> Money:
    """A part of the notional plus an amount a unit, without the minimum."""
    fee = portion(notional(price, quantity), schedule.notional_ratio)
    if schedule.per_unit:
        fee += notional(schedule.per_unit, quantity)
    return fee


def commission(order: WorkingOrder, price: Price, quantity: Quantity) -> Money:
    """What one more fill of an order pays: its fills together pay their rates, or the minimum where that is more.

    So the first fill pays the minimum, and the next ones nothing until their rates together have passed it.
    """
    schedule, tally = order.instrument.fees, order.tally
    return max(tally.rated + by_rates(schedule, price, quantity), schedule.minimum) - tally.charged


def count(order: WorkingOrder, price: Price, quantity: Quantity, fee: Money) -> None:
    """A fill paid its commission."""
    order.tally.rated += by_rates(order.instrument.fees, price, quantity)
    order.tally.charged += fee


def cost_with_commission(schedule: FeeSchedule, price: Price, quantity: Quantity) -> Money:
    """What buying `quantity` at `price` in one order takes out of the cash (for a short: what it ties up)."""
    return notional(price, quantity) + max(by_rates(schedule, price, quantity), schedule.minimum)
