"""One contender's account as the executor keeps it: its books, its open orders, and the cash not yet spoken for."""

from collections.abc import Mapping

from titanflow.domain.portfolio import NO_FACTORS, Portfolio
from titanflow.domain.types import InstrumentId, Money, OrderId, Price, Quantity, Ratio
from titanflow.execution.orders import WorkingOrder
from titanflow.execution.simulation.fees import commission


class Account:
    """A portfolio and its open orders, in the order of submission."""

    __slots__ = ("orders", "portfolio", "submitted")

    def __init__(self, starting_cash: Money, factors: Mapping[InstrumentId, Ratio] = NO_FACTORS) -> None:
        """`factors` as `Portfolio` takes them."""
        self.portfolio = Portfolio(starting_cash, factors)
        self.orders: dict[OrderId, WorkingOrder] = {}
        self.submitted: dict[InstrumentId, int] = {}
        """How many orders were submitted so far in each instrument."""

    def take(self, order: WorkingOrder) -> None:
        """An order of this account is submitted: it gets its number."""
        instrument = order.instrument.id
        order.quantity = order.remaining
        order.number = self.submitted[instrument] = self.submitted.get(instrument, 0) + 1
        self.orders[order.id] = order

    def orders_in(self, instrument: InstrumentId) -> list[WorkingOrder]:
        """Open orders of one instrument."""
        return [order for order in self.orders.values() if order.instrument.id == instrument]

    def exposure_after(self, instrument: InstrumentId, signed: Quantity) -> Quantity:
        """Absolute position if `signed` more and every working entry on the same side are filled."""
        after = self.portfolio.quantity(instrument) + signed
        for order in self.orders.values():
            if not order.closing and order.instrument.id == instrument and order.side.sign * signed > 0:
                after += order.side.sign * order.remaining
        return abs(after)

    def buying_power(self, marks: Mapping[InstrumentId, Price]) -> Money:
        """Cash for new positions: what working entries may cost is spoken for, shorts are collateralised in full.

        A short's proceeds are in the cash and are owed; as much again is set aside, so that a short position uses
        the same buying power as a long one. A dividend that it owes is spoken for too.
        """
        return (
            self.portfolio.cash + min(self.portfolio.receivable, 0) - 2 * self._short_value(marks) - self._spoken_for()
        )

    def _short_value(self, marks: Mapping[InstrumentId, Price]) -> Money:
        total = 0
        for position in self.portfolio.positions.values():
            if position.quantity < 0:
                total -= position.value(marks[position.instrument])
        return total

    def _spoken_for(self) -> Money:
        total = 0
        for order in self.orders.values():
            if not order.closing:
                price, quantity = order.worst_price, order.remaining
                total += order.instrument.value(price, quantity) + commission(order, price, quantity)
        return total
