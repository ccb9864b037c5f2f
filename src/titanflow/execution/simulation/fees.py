"""What a fill costs in commission."""

from titanflow.domain.instruments import FeeSchedule
from titanflow.domain.types import Money, Price, Quantity, notional, portion


def commission(schedule: FeeSchedule, price: Price, quantity: Quantity) -> Money:
    """Commission of one fill: a part of its notional plus an amount a unit, at least the schedule's minimum."""
    fee = portion(notional(price, quantity), schedule.notional_ratio)
    if schedule.per_unit:
        fee += notional(schedule.per_unit, quantity)
    return max(fee, schedule.minimum)


def cost_with_commission(schedule: FeeSchedule, price: Price, quantity: Quantity) -> Money:
    """What buying `quantity` at `price` takes out of the cash (for a short: what it ties up)."""
    return notional(price, quantity) + commission(schedule, price, quantity)
