"""What an order costs in commission: by its schedule's rates, and once an order at least the schedule's minimum."""

from titanflow.domain.instruments import FeeSchedule
from titanflow.domain.types import SCALE, Money, Price, Quantity, Ratio, notional, portion, worth
from titanflow.execution.orders import WorkingOrder


def by_rates(schedule: FeeSchedule, price: Price, quantity: Quantity, factor: Ratio = SCALE) -> Money:
    """A part of the value plus an amount a unit, without the minimum; `factor` as `Instrument.factor`."""
    fee = portion(worth(price, quantity, factor), schedule.notional_ratio)
    if schedule.per_unit:
        fee += notional(schedule.per_unit, quantity)
    return fee


def commission(order: WorkingOrder, price: Price, quantity: Quantity) -> Money:
    """What one more fill of an order pays: its fills together pay their rates, or the minimum where that is more.

    So the first fill pays the minimum, and the next ones nothing until their rates together have passed it.
    """
    instrument, tally = order.instrument, order.tally
    rated = tally.rated + by_rates(instrument.fees, price, quantity, instrument.factor)
    return max(rated, instrument.fees.minimum) - tally.charged


def count(order: WorkingOrder, price: Price, quantity: Quantity, fee: Money) -> None:
    """A fill paid its commission."""
    order.tally.rated += by_rates(order.instrument.fees, price, quantity, order.instrument.factor)
    order.tally.charged += fee


def cost_with_commission(schedule: FeeSchedule, price: Price, quantity: Quantity, factor: Ratio = SCALE) -> Money:
    """What buying `quantity` at `price` in one order takes out of the cash (for a short: what it ties up)."""
    return worth(price, quantity, factor) + max(by_rates(schedule, price, quantity, factor), schedule.minimum)
